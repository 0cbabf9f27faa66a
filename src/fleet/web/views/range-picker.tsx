import { f, t } from '../i18n/index.ts';
import { LIVE_SPANS_S, range, setFixed, setLive } from '../state/range.ts';
import { Segmented } from '../ui/parts.tsx';

const SHORT: Record<number, string> = {
  900: '15 min',
  3600: '1 h',
  21_600: '6 h',
  86_400: '24 h',
  604_800: '7 d',
};

/** The time that charts show: live, or what was dragged over in a chart, with ways to move it. */
export function RangePicker() {
  const now = range.value;
  const shift = (factor: number): void => {
    if (now.kind !== 'fixed') return;
    const by = (now.toMs - now.fromMs) * factor;
    setFixed(now.fromMs + by, now.toMs + by);
  };
  return (
    <div class="form-row">
      {now.kind === 'fixed' ? (
        <span class="look">
          <button
            type="button"
            class="button plain"
            aria-label={t('range.back')}
            onClick={() => shift(-0.5)}
          >
            ←
          </button>
          <span class="nowrap">
            {f().dateTime(now.fromMs)} – {f().dateTime(now.toMs)}
          </span>
          <button
            type="button"
            class="button plain"
            aria-label={t('range.on')}
            onClick={() => shift(0.5)}
          >
            →
          </button>
        </span>
      ) : null}
      <Segmented
        label={t('range.label')}
        value={now.kind === 'live' ? now.seconds : null}
        options={LIVE_SPANS_S.map((seconds) => ({ value: seconds, text: SHORT[seconds] ?? '' }))}
        onChange={setLive}
      />
    </div>
  );
}
