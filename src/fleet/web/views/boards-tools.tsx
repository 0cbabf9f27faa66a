import { useEffect, useRef } from 'preact/hooks';
import { f, t, type TextKey } from '../i18n/index.ts';
import type { GroupKey } from '../lib/order.ts';
import { type Look, LOOKS } from '../lib/rows.ts';
import { place, setQuery } from '../state/place.ts';
import { grouping, looks, search, setGrouping, sorting, table } from '../state/table.ts';
import { LookMark } from '../ui/parts.tsx';

const GROUP_TEXT: Record<GroupKey, TextKey> = {
  none: 'group.none',
  pool: 'group.pool',
  profile: 'group.profile',
  version: 'group.version',
  model: 'group.model',
  look: 'group.look',
};

/** The filter stands in the address, so that it can be kept and sent. */
export function writeFilter(change: { q?: string; look?: ReadonlySet<Look> }): void {
  const { key, descending } = sorting.value;
  setQuery({
    q: change.q ?? search.value,
    look: [...(change.look ?? looks.value)].join(','),
    sort: key === 'look' && !descending ? '' : `${descending ? '-' : ''}${key}`,
  });
}

let waiting: ReturnType<typeof setTimeout> | undefined;
const WRITE_AFTER_MS = 400;

/** Not at every letter: the browser keeps its history in another process. */
function writeSoon(): void {
  clearTimeout(waiting);
  waiting = setTimeout(writeNow, WRITE_AFTER_MS);
}

/** Whoever leaves the box may be about to open a board, and comes back by the address. */
function writeNow(): void {
  if (waiting === undefined) return;
  clearTimeout(waiting);
  waiting = undefined;
  const { view, id } = place.peek();
  if (view === 'boards' && id === null) writeFilter({});
}

/** Search, grouping, and the states with how many boards are in each. */
export function BoardsTools() {
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const inField =
        event.target instanceof HTMLElement &&
        /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
      if (event.key === '/' && !inField && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        box.current?.focus();
        box.current?.select();
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  const { counts, total } = table.value;
  const flip = (look: Look): void => {
    const next = new Set(looks.value);
    if (!next.delete(look)) next.add(look);
    writeFilter({ look: next });
  };
  return (
    <div class="boards-tools" role="search" aria-label={t('boards.filter')}>
      <input
        ref={box}
        class="field search"
        type="search"
        value={search.value}
        placeholder={t('boards.search.hint')}
        aria-label={t('boards.search')}
        title={t('boards.search.help')}
        onInput={(event) => {
          search.value = event.currentTarget.value;
          writeSoon();
        }}
        onBlur={writeNow}
        onKeyDown={(event) => {
          if (event.key !== 'ArrowDown' && event.key !== 'Enter') return;
          event.preventDefault();
          document.querySelector<HTMLElement>('.vt')?.focus();
        }}
      />
      <label class="look muted">
        {t('boards.group')}
        <select
          class="field"
          value={grouping.value}
          onChange={(event) => setGrouping(event.currentTarget.value as GroupKey)}
        >
          {(Object.keys(GROUP_TEXT) as GroupKey[]).map((key) => (
            <option key={key} value={key}>
              {t(GROUP_TEXT[key])}
            </option>
          ))}
        </select>
      </label>
      <div class="chips" role="group" aria-label={t('boards.states')}>
        <button
          type="button"
          class="chip"
          aria-pressed={looks.value.size === 0}
          onClick={() => writeFilter({ look: new Set() })}
        >
          {t('all')} <b>{f().number(total, 0)}</b>
        </button>
        {LOOKS.filter((look) => looks.value.has(look) || (counts.get(look) ?? 0) > 0).map(
          (look) => (
            <button
              key={look}
              type="button"
              class="chip"
              aria-pressed={looks.value.has(look)}
              onClick={() => flip(look)}
            >
              <LookMark look={look} /> <b>{f().number(counts.get(look) ?? 0, 0)}</b>
            </button>
          ),
        )}
      </div>
    </div>
  );
}
