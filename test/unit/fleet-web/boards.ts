import {
  type BoardColumn,
  BOARD_COLUMNS,
  boardColumns,
} from '../../../src/protocol/fleet/index.ts';
import { type Board, createRowReader } from '../../../src/fleet/web/lib/rows.ts';
import { makeBoards } from '../../fakes/fleet/boards.ts';

const [example] = makeBoards(1, 1_000_000);
const columns = boardColumns(example?.record as never);

/** A board as the page keeps it, read from a row as the server sends it. */
export function boardWith(values: Partial<Record<BoardColumn, unknown>> = {}): Board {
  const read = createRowReader(BOARD_COLUMNS);
  return read(
    BOARD_COLUMNS.map((name) => (Object.hasOwn(values, name) ? values[name] : columns[name])),
  );
}

/** One on which nothing is remarkable. */
export const calm = (values: Partial<Record<BoardColumn, unknown>> = {}): Board =>
  boardWith({
    status: 'online',
    severity: null,
    health: [],
    governor: 'open',
    engine: 'ready',
    throttled: false,
    under_voltage: false,
    pools: ['lab'],
    ...values,
  });
