import { useComputed } from '@preact/signals';
import { f, t } from '../i18n/index.ts';
import { inOneLine } from '../lib/format.ts';
import { sumOf } from '../lib/order.ts';
import { NOTHING } from '../lib/selection.ts';
import { boards } from '../state/fleet.ts';
import { selection, table } from '../state/table.ts';
import { ActionButtons } from './action-buttons.tsx';

/** What the shown boards add up to, and what can be done with the chosen ones. */
export function BoardsFoot() {
  const sum = useComputed(() => {
    const { shown } = table.value;
    return sumOf(shown.flatMap((id) => boards.get(id) ?? []));
  });
  const chosen = [...selection.value.ids].filter((id) => boards.has(id));
  const { boards: count, watts, tokens_per_s, hottest_c, queue } = sum.value;
  return (
    <>
      {chosen.length === 0 ? null : (
        <div class="actionbar" role="toolbar" aria-label={t('actions.selected')}>
          <span class="count">{t('boards.selected', { n: chosen.length })}</span>
          <ActionButtons nodes={chosen} />
          {chosen.length > 1 && chosen.length <= 6 ? (
            <a class="button" href={`#/compare?nodes=${chosen.map(encodeURIComponent).join(',')}`}>
              {t('compare')}
            </a>
          ) : null}
          <button
            type="button"
            class="button plain"
            onClick={() => {
              selection.value = NOTHING;
            }}
          >
            {t('boards.deselect')}
          </button>
        </div>
      )}
      <div class="footline">
        <span>
          <b>{t('n.boards', { n: count })}</b>
        </span>
        <span>
          <b>{inOneLine(f().wattsTotal(watts))}</b>
        </span>
        <span>
          <b>{inOneLine(f().tokensPerSTotal(tokens_per_s))}</b>
        </span>
        <span>{t('group.hottest', { heat: inOneLine(f().celsius(hottest_c)) })}</span>
        <span>{t('foot.queue', { n: queue })}</span>
        <span class="keys">
          <span class="key">/</span> {t('keys.search')} <span class="key">↑↓</span> {t('keys.move')}{' '}
          <span class="key">{t('keys.spacebar')}</span> {t('keys.choose')}{' '}
          <span class="key">Enter</span> {t('keys.open')}
        </span>
      </div>
    </>
  );
}
