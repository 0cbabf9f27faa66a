import type { ActionRecord, ActionStatus } from '../../../protocol/fleet/index.ts';
import { f, t } from '../i18n/index.ts';
import { inOneLine, UNKNOWN } from '../lib/format.ts';
import { Glyph, type Shape } from '../ui/glyph.tsx';
import { argsText, statusText, valueText } from './texts.ts';

const MARK: Record<ActionStatus, { shape: Shape; tone: string }> = {
  pending: { shape: 'ring', tone: 'tone-ok' },
  sent: { shape: 'half', tone: 'tone-ok' },
  ok: { shape: 'check', tone: 'tone-live' },
  error: { shape: 'cross', tone: 'tone-bad' },
  timeout: { shape: 'question', tone: 'tone-warn' },
  skipped: { shape: 'ring', tone: 'tone-warn' },
};
const ORDER: readonly ActionStatus[] = ['error', 'timeout', 'skipped', 'sent', 'pending', 'ok'];

export function StatusMark({ status }: { status: ActionStatus }) {
  const { shape, tone } = MARK[status];
  return (
    <span class="look">
      <span class={`look ${tone}`}>
        <Glyph shape={shape} />
      </span>
      {statusText(status)}
    </span>
  );
}

/** Counts by outcome, as one line. */
export function Counts({ counts }: { counts: Record<ActionStatus, number> }) {
  return (
    <span class="counts">
      {ORDER.filter((status) => counts[status] > 0).map((status) => (
        <span key={status} class="look">
          <b>{f().number(counts[status], 0)}</b> <StatusMark status={status} />
        </span>
      ))}
    </span>
  );
}

/** What became of an action, board by board; failures first. */
export function ActionOutcome({ action }: { action: ActionRecord }) {
  const results = [...action.results].sort(
    (a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status) || a.node.localeCompare(b.node),
  );
  const args = argsText(action.args);
  return (
    <>
      <p class="lead" role="status">
        {action.ended_ms === null
          ? t('action.running')
          : t('action.ended', {
              took: inOneLine(f().milliseconds(action.ended_ms - action.began_ms)),
            })}{' '}
        <Counts counts={action.counts} />
        {args === '' ? null : <span class="muted"> · {args}</span>}
      </p>
      <div class="results" tabIndex={0} role="region" aria-label={t('action.outcome')}>
        <table class="plain">
          <thead>
            <tr>
              <th>{t('column.node')}</th>
              <th>{t('result')}</th>
              <th>{t('result.detail')}</th>
              <th class="right">{t('result.took')}</th>
            </tr>
          </thead>
          <tbody>
            {results.slice(0, 200).map((result) => (
              <tr key={result.node}>
                <td>{result.node}</td>
                <td>
                  <StatusMark status={result.status} />
                </td>
                <td class="muted">
                  {result.error === null
                    ? detail(result.data)
                    : `${result.error.message} (${result.error.code})`}
                </td>
                <td class="right">
                  {result.took_ms === null ? UNKNOWN : inOneLine(f().milliseconds(result.took_ms))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** What a board answers is its own affair; the page shows it as it is, in short. */
function detail(data: unknown): string {
  if (data === null || data === undefined) return '';
  if (typeof data !== 'object') return valueText(data);
  return argsText(data as Record<string, unknown>).slice(0, 160);
}
