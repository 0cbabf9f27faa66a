import { useMemo } from 'preact/hooks';
import type { FleetSeriesResponse } from '../../../protocol/fleet/index.ts';
import { f, t } from '../i18n/index.ts';
import { get } from '../state/api.ts';
import { serverNow } from '../state/fleet.ts';
import { endsOf, range } from '../state/range.ts';
import { useLoad } from '../state/use-load.ts';
import { Chart, type Line } from '../ui/chart.tsx';
import { Loading, Panel, Problem } from '../ui/parts.tsx';

const SERIES_POINTS = 240;
const RELOAD_MS = 15_000;

/** What the whole fleet did in the chosen time. */
export function Series() {
  const at = range.value;
  const key = JSON.stringify(at);
  const loaded = useLoad<FleetSeriesResponse>(
    key,
    () => {
      const { fromMs, toMs } = endsOf(serverNow());
      const step = Math.max(1000, Math.round((toMs - fromMs) / SERIES_POINTS));
      return get(`/api/overview/series?from=${fromMs}&to=${toMs}&step=${step}`);
    },
    at.kind === 'live' ? RELOAD_MS : undefined,
  );
  const series = loaded.value;
  const { fromMs, toMs } = useMemo(() => endsOf(serverNow()), [series, key]);
  if (series === null) {
    return (
      <Panel title={t('overview.series')} span={12}>
        {loaded.problem === null ? (
          <Loading />
        ) : (
          <Problem text={loaded.problem} onRetry={loaded.reload} />
        )}
      </Panel>
    );
  }
  const watts: Line[] = [
    { label: t('series.watts'), tone: 'power', values: series.watts, filled: true },
  ];
  const tokens: Line[] = [
    { label: t('series.tokens'), tone: 'tokens', values: series.tokens_per_s, filled: true },
  ];
  const counts: Line[] = [
    { label: t('look.offline'), tone: 'bad', values: series.offline, stepped: true },
    { label: t('look.stale'), tone: 'warn', values: series.stale, stepped: true },
  ];
  const common = { tMs: series.t_ms, fromMs, toMs, sync: 'overview', floor: 0 };
  return (
    <>
      <Panel title={t('series.watts.title')} span={4}>
        <Chart {...common} label={t('series.watts.title')} lines={watts} unit={f().wattsTotal} />
      </Panel>
      <Panel title={t('series.tokens.title')} span={4}>
        <Chart
          {...common}
          label={t('series.tokens.title')}
          lines={tokens}
          unit={f().tokensPerSTotal}
        />
      </Panel>
      <Panel title={t('series.away.title')} span={4}>
        <Chart {...common} label={t('series.away.title')} lines={counts} unit={f().count} />
      </Panel>
    </>
  );
}
