import { useMemo } from 'preact/hooks';
import { f, language, t } from '../i18n/index.ts';
import { inOneLine, UNKNOWN } from '../lib/format.ts';
import type { Line } from '../lib/order.ts';
import { type Board, type Look, LOOK_TONE } from '../lib/rows.ts';
import { toggleAll } from '../lib/selection.ts';
import { goTo } from '../state/place.ts';
import { grouping, selection, sorting, table } from '../state/table.ts';
import { tick } from '../state/tick.ts';
import { Glyph } from '../ui/glyph.tsx';
import { lookText } from '../ui/parts.tsx';
import { writeFilter } from './boards-tools.tsx';
import { type Column, PickBox, rowLabel } from './columns.tsx';

export function Head({ columns }: { columns: readonly Column[] }) {
  const { shown } = table.value;
  const all = shown.length > 0 && shown.every((id) => selection.value.ids.has(id));
  const sortBy = (column: Column): void => {
    const { key, descending } = sorting.value;
    const first = column.descendingFirst === true;
    sorting.value =
      key === column.key
        ? { key, descending: !descending }
        : { key: column.key, descending: first };
    writeFilter({});
  };
  return (
    <div class="vt-head" role="row" aria-rowindex={1}>
      <div role="columnheader">
        <button
          type="button"
          aria-label={t('boards.select.all')}
          aria-pressed={all}
          onClick={() => {
            selection.value = toggleAll(selection.value, shown);
          }}
        >
          <PickBox on={all} />
        </button>
      </div>
      {columns.map((column) => {
        const now = sorting.value.key === column.key;
        const way = sorting.value.descending ? 'descending' : 'ascending';
        return (
          <div
            key={column.title}
            role="columnheader"
            class={column.number === true ? 'num' : ''}
            aria-sort={now ? way : 'none'}
          >
            <button type="button" onClick={() => sortBy(column)}>
              {t(column.title)}
              {column.unit === undefined ? null : <span class="unit">{column.unit}</span>}
              {now ? <span aria-hidden="true">{sorting.value.descending ? '↓' : '↑'}</span> : null}
            </button>
          </div>
        );
      })}
    </div>
  );
}

type RowProps = {
  board: Board;
  columns: readonly Column[];
  index: number;
  top: number;
  hasty: boolean;
  active: boolean;
  chosen: boolean;
  onPick: (event: MouseEvent, id: string, index: number) => void;
};

export function BoardLine(props: RowProps) {
  const { board, columns, index, top, hasty, active, chosen, onPick } = props;
  // Ages move on without news; everything else is drawn again only when something changed.
  const age = Math.floor(tick.value / 5);
  return useMemo(
    () => (
      <div
        id={`row-${index}`}
        role="row"
        aria-rowindex={index + 2}
        aria-selected={chosen}
        aria-label={rowLabel(board)}
        class={`vt-row${active ? ' active' : ''}${isAway(board) ? ' gone' : ''}`}
        style={{ transform: `translateY(${top}px)` }}
        onClick={(event) => onPick(event, board.node, index)}
        onDblClick={() => goTo('boards', board.node)}
      >
        <div role="gridcell" class="pick" data-pick="">
          <PickBox on={chosen} />
        </div>
        {columns.map((column) => (
          <div key={column.title} role="gridcell" class={column.number === true ? 'num' : ''}>
            {hasty && column.names !== true ? null : column.cell(board)}
          </div>
        ))}
      </div>
    ),
    [board, columns, index, top, hasty, active, chosen, age, language.value],
  );
}

const isAway = ({ status }: Board): boolean => status === 'offline' || status === 'stale';

export function GroupLine(props: {
  line: Extract<Line, { kind: 'group' }>;
  index: number;
  top: number;
  active: boolean;
  columns: number;
  onFold: () => void;
}) {
  const { line, index, top } = props;
  const { sum } = line;
  const name =
    grouping.value === 'look' && line.name !== '' ? lookText(line.name as Look) : line.name;
  return (
    <div
      id={`row-${index}`}
      role="row"
      aria-rowindex={index + 2}
      aria-expanded={!line.folded}
      class={`vt-row group${props.active ? ' active' : ''}`}
      style={{ transform: `translateY(${top}px)` }}
      onClick={props.onFold}
    >
      <div role="gridcell" class="name look" aria-colspan={props.columns}>
        <Glyph shape={line.folded ? 'right' : 'open'} />
        {name === '' ? t('group.unnamed') : name}
      </div>
      <div role="gridcell">{t('n.boards', { n: sum.boards })}</div>
      <div role="gridcell">{inOneLine(f().wattsTotal(sum.watts))}</div>
      <div role="gridcell">{inOneLine(f().tokensPerSTotal(sum.tokens_per_s))}</div>
      <div role="gridcell">
        {t('group.hottest', {
          heat: sum.hottest_c === null ? UNKNOWN : inOneLine(f().celsius(sum.hottest_c)),
        })}
      </div>
      {sum.troubled === 0 ? null : (
        <div role="gridcell" class={`tone-${LOOK_TONE.warning}`}>
          {t('group.troubled', { n: sum.troubled })}
        </div>
      )}
    </div>
  );
}
