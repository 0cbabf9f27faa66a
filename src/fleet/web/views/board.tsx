import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type {
  BoardConfigResponse,
  BoardDecisionsResponse,
  BoardModelsResponse,
  BoardRecord,
  SeriesResponse,
} from '../../../protocol/fleet/index.ts';
import { f, t } from '../i18n/index.ts';
import { readDecisions } from '../lib/decision.ts';
import { inOneLine } from '../lib/format.ts';
import { emptyHistory, type History, HISTORY_QUERY, historyOf, withPoint } from '../lib/history.ts';
import type { Board } from '../lib/rows.ts';
import { get } from '../state/api.ts';
import { boards, boardsLoaded, boardsVersion, serverNow } from '../state/fleet.ts';
import { endsOf, range } from '../state/range.ts';
import { tick } from '../state/tick.ts';
import { type Loaded, useLoad } from '../state/use-load.ts';
import { BoardCharts, Conditions, Decisions, TelemetryFacts } from '../ui/board-panels.tsx';
import { Empty, Fig, Loading, LookMark, Meter, Panel, Problem, ratioTone } from '../ui/parts.tsx';
import { ActionButtons } from './action-buttons.tsx';
import { RangePicker } from './range-picker.tsx';
import { valueText } from './texts.ts';
import { Models } from './models.tsx';

const SERIES_POINTS = 600;
const RELOAD_MS = 60_000;

export function BoardView({ node }: { node: string }) {
  void boardsVersion.value;
  const board = boards.get(node);
  const path = `/api/boards/${encodeURIComponent(node)}`;
  // Asked again when the row says that something came.
  const record = useLoad<BoardRecord>(`${node} ${board?.seen_ms ?? 0} ${board?.status ?? ''}`, () =>
    get(path),
  );
  if (board === undefined) {
    if (!boardsLoaded.value) return <Loading lines={10} />;
    return (
      <Empty title={t('board.unknown', { node })} text={t('board.unknown.text')}>
        <a class="button" href="#/boards">
          {t('board.all')}
        </a>
      </Empty>
    );
  }
  return (
    <>
      <div class="page-head">
        <a class="crumb" href="#/boards">
          {t('nav.boards')}
        </a>
        <span class="crumb" aria-hidden="true">
          /
        </span>
        <h1>{board.node}</h1>
        <LookMark look={board.look} />
        <span class="muted">{sinceWords(board)}</span>
        <div class="end">
          <ActionButtons nodes={[node]} />
        </div>
      </div>
      <Figures board={board} />
      <div class="page-head top-gap">
        <h2>{t('board.history')}</h2>
        <div class="end">
          <RangePicker />
        </div>
      </div>
      <div class="grid">
        <Charts node={node} board={board} />
        <Panel title={t('health.title')} span={6} flush>
          {record.value === null ? (
            <Waiting of={record} />
          ) : (
            <Conditions list={record.value.health} nowMs={serverNow()} />
          )}
        </Panel>
        <Panel title={t('board.now')} span={6} end={<Telemetered record={record.value} />}>
          {record.value === null ? <Waiting of={record} /> : null}
          {record.value?.telemetry ? <TelemetryFacts telemetry={record.value.telemetry} /> : null}
          {record.value !== null && record.value.telemetry === null ? (
            <Empty small title={t('board.notelemetry')} />
          ) : null}
        </Panel>
        <AskedPanels
          node={node}
          path={path}
          here={board.status === 'online' || board.status === 'draining'}
        />
      </div>
    </>
  );
}

function sinceWords(board: Board): string {
  void tick.value;
  return t('board.since', { age: f().duration((serverNow() - board.status_since_ms) / 1000) });
}

function Telemetered({ record }: { record: BoardRecord | null }) {
  void tick.value;
  if (record === null || record.telemetry_ms === null) return null;
  const skew = record.clock_skew_ms;
  return (
    <span>
      {t('ago', { age: f().duration((serverNow() - record.telemetry_ms) / 1000) })}
      {skew !== null && Math.abs(skew) > 5000 ? (
        <span class="tone-warn">
          {' '}
          · {t('board.skew', { skew: inOneLine(f().milliseconds(Math.abs(skew))) })}
        </span>
      ) : null}
    </span>
  );
}

function Waiting({ of }: { of: Loaded<unknown> }) {
  return of.problem === null ? <Loading /> : <Problem text={of.problem} onRetry={of.reload} />;
}

function Figures({ board }: { board: Board }) {
  return (
    <dl class="figures">
      <div>
        <dt>{t('series.power')}</dt>
        <dd class="big">
          <Fig of={f().watts(board.watts)} />
        </dd>
        <dd class="note">
          {t('overview.ofbudget', { budget: inOneLine(f().watts(board.budget_w)) })}
        </dd>
        <dd>
          <Meter ratio={board.watts_ratio} tone={ratioTone(board.watts_ratio, 1.0001)} />
        </dd>
      </div>
      <div>
        <dt>{t('series.heat')}</dt>
        <dd class="big">
          <Fig of={f().celsius(board.soc_c)} />
        </dd>
        <dd class="note">{t('board.oflimit', { limit: inOneLine(f().celsius(board.limit_c)) })}</dd>
        <dd>
          <Meter ratio={board.heat_ratio} tone={ratioTone(board.heat_ratio, 0.9)} />
        </dd>
      </div>
      <div>
        <dt>{t('chart.clock')}</dt>
        <dd class="big">
          <Fig of={f().megahertz(board.max_freq_khz)} />
        </dd>
        <dd class="note">
          {t('fact.duty')} {inOneLine(f().percent(board.duty))}
        </dd>
      </div>
      <div>
        <dt>{t('series.tokens')}</dt>
        <dd class="big">
          <Fig of={f().tokensPerS(board.tokens_per_s)} />
        </dd>
        <dd class="note">{inOneLine(f().joulesPerToken(board.joules_per_token))}</dd>
      </div>
      <div>
        <dt>{t('series.queue')}</dt>
        <dd class="big">
          <Fig of={f().count(board.queue_depth)} />
        </dd>
        <dd class="note">
          {t('board.cloudshare', { share: inOneLine(f().percent(board.cloud_share)) })}
        </dd>
      </div>
      <div class="wide-figure">
        <dt>{t('column.model')}</dt>
        <dd class="model-name">{board.model ?? t('board.nomodel')}</dd>
        <dd class="note">
          {[board.profile, board.version, ...board.pools]
            .filter((part) => part !== null)
            .join(' · ')}
        </dd>
      </div>
    </dl>
  );
}

/** History from the server, and what has come since at its end. */
function Charts({ node, board }: { node: string; board: Board }) {
  const at = range.value;
  const key = `${node} ${JSON.stringify(at)}`;
  const loaded = useLoad<SeriesResponse>(
    key,
    () => {
      const { fromMs, toMs } = endsOf(serverNow());
      const step = Math.max(0, Math.round((toMs - fromMs) / SERIES_POINTS));
      return get(
        `/api/boards/${encodeURIComponent(node)}/series?fields=${HISTORY_QUERY}&from=${Math.round(fromMs)}&to=${Math.round(toMs)}&step=${step}`,
      );
    },
    at.kind === 'live' ? RELOAD_MS : undefined,
  );
  const [history, setHistory] = useState<History>(emptyHistory);
  const loadedFor = useRef<SeriesResponse | null>(null);
  useEffect(() => {
    if (loaded.value === null || loaded.value === loadedFor.current) return;
    loadedFor.current = loaded.value;
    setHistory(historyOf(loaded.value));
  }, [loaded.value]);
  useEffect(() => {
    if (at.kind !== 'live' || loadedFor.current === null || board.seen_ms === null) return;
    const ms = board.seen_ms;
    setHistory((known) => withPoint(known, ms, board, endsOf(serverNow()).fromMs));
  }, [board]);
  void tick.value;
  const ends = useMemo(() => endsOf(serverNow()), [history, at, Math.floor(tick.value / 2)]);
  if (loaded.value === null) {
    return (
      <Panel title={t('board.history')}>
        <Waiting of={loaded} />
      </Panel>
    );
  }
  return <BoardCharts history={history} {...ends} />;
}

/** What only the board itself can tell; asked when the page opens and on demand, since it wakes the board. */
function AskedPanels({ node, path, here }: { node: string; path: string; here: boolean }) {
  const key = here ? node : null;
  const decisions = useLoad<BoardDecisionsResponse>(key, () => get(`${path}/decisions?limit=30`));
  const config = useLoad<BoardConfigResponse>(key, () => get(`${path}/config`));
  const models = useLoad<BoardModelsResponse>(key, () => get(`${path}/models`));
  const away = <Empty small title={t('board.away')} text={t('board.away.text')} />;
  const again = (of: Loaded<unknown>) => (
    <button
      type="button"
      class="button plain"
      disabled={of.loading || !here}
      onClick={() => void of.reload()}
    >
      {t('refresh')}
    </button>
  );
  return (
    <>
      <Panel title={t('decisions.title')} span={12} flush end={again(decisions)}>
        {here && decisions.value === null ? <Waiting of={decisions} /> : null}
        {here ? null : away}
        {decisions.value === null ? null : (
          <Decisions list={readDecisions(decisions.value.decisions)} />
        )}
      </Panel>
      <Panel title={t('models.title')} span={5} flush end={again(models)}>
        {here && models.value === null ? <Waiting of={models} /> : null}
        {here ? null : away}
        {models.value === null ? null : <Models answer={models.value} />}
      </Panel>
      <Panel title={t('config.title')} span={7} flush end={again(config)}>
        {here && config.value === null ? <Waiting of={config} /> : null}
        {here ? null : away}
        {config.value === null ? null : <Settings settings={config.value.settings} />}
      </Panel>
    </>
  );
}

function Settings({ settings }: { settings: BoardConfigResponse['settings'] }) {
  const [words, setWords] = useState('');
  const [changedOnly, setChangedOnly] = useState(true);
  const shown = settings.filter(
    ({ key, origin }) =>
      key.includes(words.toLowerCase()) && (!changedOnly || originText(origin) !== 'default'),
  );
  return (
    <>
      <div class="form-row inset">
        <input
          class="field grow"
          type="search"
          aria-label={t('config.search')}
          placeholder={t('config.search')}
          value={words}
          onInput={(event) => setWords(event.currentTarget.value)}
        />
        <label class="look">
          <input
            type="checkbox"
            checked={changedOnly}
            onChange={(event) => setChangedOnly(event.currentTarget.checked)}
          />
          {t('config.changed')}
        </label>
      </div>
      <div class="scroll-y" tabIndex={0} role="region" aria-label={t('config.title')}>
        <table class="plain">
          <thead>
            <tr>
              <th>{t('config.key')}</th>
              <th>{t('config.value')}</th>
              <th>{t('config.origin')}</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ key, value, origin }) => (
              <tr key={key}>
                <td class="mono">{key}</td>
                <td class="mono wrap-anywhere">{valueText(value)}</td>
                <td class="muted">{originText(origin)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {shown.length === 0 ? <Empty small title={t('config.none')} /> : null}
      </div>
    </>
  );
}

/** Boards tell where a value came from as a name, or as an object with a `source`. */
function originText(origin: unknown): string {
  if (typeof origin === 'string') return origin;
  if (typeof origin === 'object' && origin !== null && 'source' in origin)
    return String(origin.source);
  return '';
}
