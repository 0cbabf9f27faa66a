import { f, t } from '../i18n/index.ts';
import { boards, boardsLoaded, rollouts } from '../state/fleet.ts';
import { place } from '../state/place.ts';
import { selection } from '../state/table.ts';
import { Empty, Loading, Panel } from '../ui/parts.tsx';
import { intent, whyNot } from './action-buttons.tsx';
import { Counts } from './action-outcome.tsx';
import { RolloutDetail, RolloutMark } from './rollout-detail.tsx';
import { argsText, verbText } from './texts.ts';

/** Roll-outs, newest first, and one of them in full. */
export function RolloutsView() {
  const list = [...rollouts.value.values()].sort((a, b) => b.began_ms - a.began_ms);
  const open = place.value.id ?? list[0]?.id ?? null;
  const shown = list.find(({ id }) => id === open);
  const chosen = [...selection.value.ids].filter((id) => boards.has(id));
  const reason = whyNot();
  return (
    <>
      <div class="page-head">
        <h1>{t('nav.rollouts')}</h1>
        <div class="end">
          {chosen.length > 1 ? (
            <button
              type="button"
              class="button main"
              disabled={reason !== null}
              title={reason ?? ''}
              onClick={() => {
                intent.value = { verb: 'governor.set', nodes: chosen, staged: true };
              }}
            >
              {t('rollout.new.for', { n: chosen.length })}…
            </button>
          ) : (
            <a class="button" href="#/boards">
              {t('rollout.choose')}
            </a>
          )}
        </div>
      </div>
      {boardsLoaded.value ? null : <Loading />}
      {boardsLoaded.value && list.length === 0 ? (
        <Empty title={t('rollout.none')} text={t('rollout.none.text')} />
      ) : null}
      {list.length === 0 ? null : (
        <div class="grid">
          <Panel title={t('rollout.list')} span={5} flush>
            <ul class="list">
              {list.map((rollout) => (
                <li key={rollout.id}>
                  <a
                    class="list-item"
                    href={`#/rollouts/${encodeURIComponent(rollout.id)}`}
                    {...(rollout.id === open ? { 'aria-current': 'true' as const } : {})}
                  >
                    <span class="list-title">
                      {verbText(rollout.verb)} <span class="muted">{argsText(rollout.args)}</span>
                    </span>
                    <RolloutMark state={rollout.state} />
                    <span class="muted">{f().dateTime(rollout.began_ms)}</span>
                    <Counts counts={rollout.counts} />
                  </a>
                </li>
              ))}
            </ul>
          </Panel>
          {shown === undefined ? null : (
            <Panel title={t('rollout.one')} span={7}>
              <RolloutDetail rollout={shown} />
            </Panel>
          )}
        </div>
      )}
    </>
  );
}
