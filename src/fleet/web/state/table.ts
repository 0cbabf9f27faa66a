import { batch, computed, effect, signal } from '@preact/signals';
import { BOARD_FIELD_NAMES } from '../lib/fields.ts';
import { type GroupKey, type Line, linesOf, type Sorting, sortBoards } from '../lib/order.ts';
import { fulfils, readQuery } from '../lib/query.ts';
import { type Board, type Look, LOOKS } from '../lib/rows.ts';
import { NOTHING, type Selection } from '../lib/selection.ts';
import { boards, boardsVersion } from './fleet.ts';
import { place } from './place.ts';
import { readSetting, writeSetting } from './settings.ts';

export const search = signal('');
/** Empty: all. */
export const looks = signal<ReadonlySet<Look>>(new Set());
export const sorting = signal<Sorting>({ key: 'look', descending: false });
export const selection = signal<Selection>(NOTHING);
export const folded = signal<ReadonlySet<string>>(new Set());

const GROUPS: readonly GroupKey[] = ['none', 'pool', 'profile', 'version', 'model', 'look'];
const storedGroup = GROUPS.find((group) => group === readSetting('group'));
export const grouping = signal<GroupKey>(storedGroup ?? 'none');

export function setGrouping(to: GroupKey): void {
  batch(() => {
    grouping.value = to;
    folded.value = new Set();
  });
  writeSetting('group', to);
}

export type Table = {
  lines: Line[];
  /** Ids of the boards among them, in order, folded groups included. */
  shown: string[];
  counts: Map<Look, number>;
  total: number;
};

/**
 * Rows show their newest figures at once, but the order is kept for two seconds: rows that jump cannot
 * be read, let alone clicked.
 */
const ORDER_KEPT_MS = 2000;
const orderVersion = signal(0);
let waiting: ReturnType<typeof setTimeout> | undefined;
let orderedAt = -Infinity;
let orderedCount = -1;

effect(() => {
  void boardsVersion.value;
  const wait = ORDER_KEPT_MS - (performance.now() - orderedAt);
  if (wait <= 0 || boards.size !== orderedCount) reorder();
  else waiting ??= setTimeout(reorder, wait);
});

function reorder(): void {
  clearTimeout(waiting);
  waiting = undefined;
  orderedAt = performance.now();
  orderedCount = boards.size;
  orderVersion.value = orderVersion.peek() + 1;
}

const terms = computed(() => readQuery(search.value, (name) => BOARD_FIELD_NAMES.has(name)));

/** All boards in order, kept apart from the filter: a letter in the search box must not sort ten thousand. */
const inOrder = computed<Board[]>(() => {
  void orderVersion.value;
  return sortBoards([...boards.values()], sorting.value);
});

export const table = computed<Table>(() => {
  const counts = new Map<Look, number>();
  const kept: Board[] = [];
  let total = 0;
  for (const ordered of inOrder.value) {
    const board = boards.get(ordered.node);
    if (board === undefined || !fulfils(board, terms.value)) continue;
    total += 1;
    counts.set(board.look, (counts.get(board.look) ?? 0) + 1);
    if (looks.value.size === 0 || looks.value.has(board.look)) kept.push(board);
  }
  return {
    lines: linesOf(kept, grouping.value, folded.value),
    shown: kept.map(({ node }) => node),
    counts,
    total,
  };
});

/** Takes the filter out of the address: `#/boards?look=hot,offline&q=pool:lab`. */
effect(() => {
  const { view, id, query } = place.value;
  if (view !== 'boards' || id !== null) return;
  batch(() => {
    search.value = query['q'] ?? '';
    const wanted = (query['look'] ?? '').split(',');
    looks.value = new Set(LOOKS.filter((look) => wanted.includes(look)));
    const sort = query['sort'];
    if (sort !== undefined && BOARD_FIELD_NAMES.has(sort.replace(/^-/, ''))) {
      sorting.value = {
        key: sort.replace(/^-/, '') as Sorting['key'],
        descending: sort.startsWith('-'),
      };
    }
  });
});
