import type { ActionStatus, RolloutRecord, RolloutState } from '../../../protocol/fleet/index.ts';
import { useState } from 'preact/hooks';
import { f, t } from '../i18n/index.ts';
import { request } from '../state/api.ts';
import { noteRollout, serverNow } from '../state/fleet.ts';
import { tick } from '../state/tick.ts';
import { FormProblem } from '../ui/dialog.tsx';
import { Glyph, type Shape } from '../ui/glyph.tsx';
import { Counts } from './action-outcome.tsx';
import { whyNot } from './action-buttons.tsx';
import { argsText, problemText, verbText } from './texts.ts';

const STATE: Record<RolloutState, { shape: Shape; tone: string }> = {
  running: { shape: 'play', tone: 'tone-live' },
  soaking: { shape: 'half', tone: 'tone-ok' },
  halted: { shape: 'pause', tone: 'tone-bad' },
  done: { shape: 'check', tone: 'tone-live' },
  aborted: { shape: 'cross', tone: 'tone-warn' },
};

export function RolloutMark({ state }: { state: RolloutState }) {
  const { shape, tone } = STATE[state];
  return (
    <span class="look">
      <span class={`look ${tone}`}>
        <Glyph shape={shape} />
      </span>
      {t(`rollout.state.${state}`)}
    </span>
  );
}

const finished = (counts: Record<ActionStatus, number>): number =>
  counts.ok + counts.error + counts.timeout + counts.skipped;

/** How far a roll-out is: its waves as a bar, what went wrong, and what can be done about it. */
export function RolloutDetail({ rollout }: { rollout: RolloutRecord }) {
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const total = rollout.waves.reduce((sum, wave) => sum + wave.boards.length, 0);
  const open = rollout.ended_ms === null;
  const reason = whyNot();
  const tell = async (what: 'abort' | 'resume'): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      noteRollout(
        await request<RolloutRecord>(
          'POST',
          `/api/rollouts/${encodeURIComponent(rollout.id)}/${what}`,
          {},
        ),
      );
    } catch (error) {
      setProblem(problemText(error));
    } finally {
      setBusy(false);
    }
  };
  void tick.value;
  const soakLeft =
    rollout.soak_until_ms === null
      ? null
      : Math.max(0, (rollout.soak_until_ms - serverNow()) / 1000);
  return (
    <div class="rollout">
      <p class="lead" role="status">
        <RolloutMark state={rollout.state} />{' '}
        {t('rollout.progress', { done: finished(rollout.counts), n: total })}
        {soakLeft === null ? '' : ` · ${t('rollout.soaking', { left: f().duration(soakLeft) })}`}
      </p>
      {rollout.reason === null ? null : <p class="problem">{rollout.reason}</p>}
      <ol class="waves" aria-label={t('rollout.waves')}>
        {rollout.waves.map((wave, index) => (
          <li
            key={index}
            class={`wave ${wave.state}`}
            style={{ flexGrow: String(Math.max(1, wave.boards.length)) }}
            title={wave.boards.slice(0, 30).join(', ')}
          >
            <span class="wave-name">
              {index === 0 ? t('rollout.canary.short') : t('rollout.wave.n', { i: index })}
            </span>
            <span class="muted">
              {t('n.boards', { n: wave.boards.length })} · {t(`rollout.wave.${wave.state}`)}
            </span>
          </li>
        ))}
      </ol>
      <dl class="facts">
        <dt>{t('action.what')}</dt>
        <dd>
          {verbText(rollout.verb)} {argsText(rollout.args)}
        </dd>
        <dt>{t('rollout.outcome')}</dt>
        <dd>
          <Counts counts={rollout.counts} />
        </dd>
        <dt>{t('rollout.stages')}</dt>
        <dd>
          {t('rollout.stages.words', {
            canary: f().percent(rollout.canary_share).value,
            wave: f().percent(rollout.wave_share).value,
            soak: f().duration(rollout.soak_s),
            failures: rollout.max_failures,
          })}
        </dd>
        <dt>{t('rollout.halton')}</dt>
        <dd>
          {rollout.halt_on === null ? t('rollout.halton.errors') : rollout.halt_on.join(', ')}
        </dd>
        <dt>{t('rollout.by')}</dt>
        <dd>
          {rollout.user}, {f().dateTime(rollout.began_ms)}
        </dd>
      </dl>
      {rollout.problems.length === 0 ? null : (
        <div class="results" tabIndex={0} role="region" aria-label={t('rollout.problems')}>
          <table class="plain">
            <thead>
              <tr>
                <th>{t('column.node')}</th>
                <th>{t('rollout.problem')}</th>
              </tr>
            </thead>
            <tbody>
              {rollout.problems.map(({ node, reason: why }) => (
                <tr key={node}>
                  <td>
                    <a href={`#/boards/${encodeURIComponent(node)}`}>{node}</a>
                  </td>
                  <td>{why}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {open ? (
        <div class="form-row">
          {rollout.state === 'halted' ? (
            <button
              type="button"
              class="button"
              disabled={busy || reason !== null}
              onClick={() => void tell('resume')}
            >
              {t('rollout.resume')}
            </button>
          ) : null}
          <button
            type="button"
            class="button danger"
            disabled={busy || reason !== null}
            onClick={() => void tell('abort')}
          >
            {t('rollout.abort')}
          </button>
        </div>
      ) : null}
      <FormProblem text={problem} />
    </div>
  );
}
