import { type Board, LOOK_TONE, type Tone } from './rows.ts';

export type MosaicGrid = { size: number; gap: number; columns: number; height: number };

/** The largest cells, in whole pixels, with which all boards fit; more boards make it higher, not finer. */
export function gridOf(options: { count: number; width: number; height: number }): MosaicGrid {
  const { count, width, height } = options;
  for (let size = 22; size > 4; size -= 1) {
    const columns = Math.floor(width / size);
    const rows = Math.ceil(count / Math.max(1, columns));
    if (rows * size <= height) return { size, gap: gapOf(size), columns, height: rows * size };
  }
  const columns = Math.max(1, Math.floor(width / 4));
  return { size: 4, gap: 1, columns, height: Math.ceil(count / columns) * 4 };
}

const gapOf = (size: number): number => (size > 9 ? 2 : 1);

/** Index of the cell at a point; -1 beside the field. */
export function cellAt({ size, columns }: MosaicGrid, x: number, y: number): number {
  const column = Math.floor(x / size);
  if (x < 0 || y < 0 || column >= columns) return -1;
  return Math.floor(y / size) * columns + column;
}

/**
 * What a cell is painted with: a tone of its own, or a share from ordinary to the limit. What is wrong is
 * marked by its form as well.
 */
export function shadeOf(
  board: Board,
  by: 'heat' | 'power' | 'look',
): { tone: Tone | null; share: number; hollow: boolean; marked: boolean } {
  const hollow = board.status === 'offline' || board.status === 'unknown';
  const marked = !hollow && LOOK_TONE[board.look] === 'bad';
  if (by === 'look') return { tone: LOOK_TONE[board.look], share: 0, hollow, marked };
  if (by === 'heat') return { tone: null, share: rise(board.heat_ratio, 0.8), hollow, marked };
  return { tone: null, share: rise(board.watts_ratio, 0.5), hollow, marked };
}

/** 0 up to `from`, then steeply up to 1 at the limit: most boards should look alike. */
function rise(ratio: number | null, from: number): number {
  if (ratio === null || ratio <= from) return 0;
  const share = Math.min(1, (ratio - from) / (1 - from));
  return Math.round(share ** 1.6 * 20) / 20;
}
