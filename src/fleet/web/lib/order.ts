import { type Board, LOOK_RANK } from './rows.ts';

export type SortKey = keyof Board;
export type Sorting = { key: SortKey; descending: boolean };
export type GroupKey = 'none' | 'pool' | 'profile' | 'version' | 'model' | 'look';

/** `pi-2` before `pi-10`. */
const natural = new Intl.Collator('en', { numeric: true });

function compareValues(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  return natural.compare(String(a), String(b));
}

const compareNames = (a: Board, b: Board): number =>
  a.order_key < b.order_key ? -1 : a.order_key > b.order_key ? 1 : 0;

const rankOf = (board: Board): number => LOOK_RANK.get(board.look) ?? 0;

/** What is not known comes last, whichever way it is sorted; equal ones stand by their names. */
export function sortBoards(boards: Board[], { key, descending }: Sorting): Board[] {
  const sign = descending ? -1 : 1;
  return boards.sort((a, b) => {
    let order: number;
    if (key === 'look') {
      order = sign * (rankOf(a) - rankOf(b));
    } else if (key === 'node') {
      order = 0;
    } else {
      const left = a[key];
      const right = b[key];
      if (left === null || right === null) {
        order = Number(left === null) - Number(right === null);
      } else order = sign * compareValues(left, right);
    }
    return order !== 0 ? order : compareNames(a, b) * (key === 'node' ? sign : 1);
  });
}

export type GroupSum = {
  boards: number;
  /** Of the boards that report. */
  watts: number;
  tokens_per_s: number;
  hottest_c: number | null;
  queue: number;
  troubled: number;
};

export type Line =
  | { kind: 'group'; name: string; sum: GroupSum; folded: boolean }
  | { kind: 'board'; board: Board };

const TROUBLE = new Set(['offline', 'stale', 'failing', 'hot', 'throttled', 'warning']);

function groupName(board: Board, key: Exclude<GroupKey, 'none'>): string {
  if (key === 'pool') return board.pools.length === 0 ? '' : [...board.pools].sort().join(', ');
  if (key === 'look') return board.look;
  return board[key] ?? '';
}

export function sumOf(boards: readonly Board[]): GroupSum {
  const sum: GroupSum = {
    boards: boards.length,
    watts: 0,
    tokens_per_s: 0,
    hottest_c: null,
    queue: 0,
    troubled: 0,
  };
  for (const board of boards) {
    const here = board.status === 'online' || board.status === 'draining';
    if (TROUBLE.has(board.look)) sum.troubled += 1;
    if (!here) continue;
    sum.watts += board.watts ?? 0;
    if (board.engine === 'busy') sum.tokens_per_s += board.tokens_per_s ?? 0;
    sum.queue += board.queue_depth ?? 0;
    if (board.soc_c !== null) sum.hottest_c = Math.max(sum.hottest_c ?? board.soc_c, board.soc_c);
  }
  return sum;
}

/** Sorted boards as the lines of the table; the order within a group is that of the boards. */
export function linesOf(
  boards: readonly Board[],
  key: GroupKey,
  folded: ReadonlySet<string>,
): Line[] {
  if (key === 'none') return boards.map((board) => ({ kind: 'board', board }));
  const groups = new Map<string, Board[]>();
  for (const board of boards) {
    const name = groupName(board, key);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [board]);
    else group.push(board);
  }
  return [...groups]
    .sort(([a], [b]) => natural.compare(a, b))
    .flatMap(([name, members]): Line[] => {
      const isFolded = folded.has(name);
      const below = isFolded ? [] : members.map((board): Line => ({ kind: 'board', board }));
      below.unshift({ kind: 'group', name, sum: sumOf(members), folded: isFolded });
      return below;
    });
}
