import {
  type AlertCondition,
  boardColumns,
  type BoardColumns,
  type BoardRecord,
} from '../../protocol/fleet/index.ts';

type Value = string | number | boolean | null;

/** What a rule's condition says of a board: whether it holds, the value that it goes by, and both in words. */
export type Judgement = { holds: boolean; value: Value; text: string };

/** A column of the row, or a path into the telemetry; null when there is no plain value there. */
function read(board: BoardRecord, row: BoardColumns, field: string): Value {
  if (Object.hasOwn(row, field)) return plain(row[field as keyof BoardColumns]);
  let here: unknown = board.telemetry;
  for (const name of field.split('.')) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, name)) return null;
    here = (here as Record<string, unknown>)[name];
  }
  return plain(here);
}

function plain(value: unknown): Value {
  return typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean'
    ? value
    : null;
}

function compare(left: Value, op: string, right: Value): boolean {
  if (left === null) return false;
  if (op === '==') return left === right;
  if (op === '!=') return left !== right;
  if (typeof left !== 'number' || typeof right !== 'number') return false;
  switch (op) {
    case '>':
      return left > right;
    case '>=':
      return left >= right;
    case '<':
      return left < right;
    default:
      return left <= right;
  }
}

export function judge(condition: AlertCondition, board: BoardRecord): Judgement {
  switch (condition.kind) {
    case 'status':
      return {
        holds: condition.statuses.includes(board.status),
        value: board.status,
        text: `status is ${board.status}`,
      };
    case 'health': {
      const found = board.health.find(
        ({ code }) => condition.codes.length === 0 || condition.codes.includes(code),
      );
      return {
        holds: found !== undefined,
        value: found?.code ?? null,
        text: found === undefined ? 'no such condition' : `${found.code}: ${found.title}`,
      };
    }
    case 'field': {
      const value = read(board, boardColumns(board), condition.field);
      const { field, op } = condition;
      return {
        holds: compare(value, op, condition.value),
        value,
        text: `${field} is ${value} (${op} ${condition.value})`,
      };
    }
    case 'ratio': {
      const row = boardColumns(board);
      const [above, below] = [read(board, row, condition.field), read(board, row, condition.over)];
      const value =
        typeof above === 'number' && typeof below === 'number' && below !== 0
          ? Math.round((above / below) * 1000) / 1000
          : null;
      const { field, over, op } = condition;
      return {
        holds: compare(value, op, condition.value),
        value,
        text: `${field} / ${over} is ${value} (${op} ${condition.value})`,
      };
    }
  }
}
