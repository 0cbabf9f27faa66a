import type { Board } from './rows.ts';

/**
 * What is typed into the search box: words that must all occur in a board's names, and comparisons on
 * any field, `soc_c>75 pool:lab -offline`. A leading `-` turns a term around.
 */
export type Term = { negated: boolean; test: (board: Board) => boolean };

type Field = keyof Board;

const COMPARISON = /^([a-z0-9_]+)(>=|<=|!=|==|=|>|<|:)(.+)$/i;

/** Short names that people type. */
const NICKNAMES: Record<string, Field> = {
  state: 'look',
  status: 'status',
  pool: 'pools',
  temp: 'soc_c',
  temperature: 'soc_c',
  power: 'watts',
  w: 'watts',
  budget: 'budget_w',
  queue: 'queue_depth',
  cpu: 'cpu_pct',
  tok: 'tokens_per_s',
};

/** Fields of a row that a comparison may name. */
export function readQuery(text: string, isField: (name: string) => boolean): Term[] {
  return text
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '' && word !== '-')
    .map((word) => {
      const negated = word.startsWith('-') && word.length > 1;
      const bare = negated ? word.slice(1) : word;
      return { negated, test: comparison(bare, isField) ?? mention(bare) };
    });
}

export function fulfils(board: Board, terms: readonly Term[]): boolean {
  return terms.every(({ negated, test }) => test(board) !== negated);
}

function comparison(
  word: string,
  isField: (name: string) => boolean,
): ((board: Board) => boolean) | undefined {
  const [, name = '', operator = '', wanted = ''] = COMPARISON.exec(word) ?? [];
  const field = NICKNAMES[name.toLowerCase()] ?? (isField(name) ? (name as Field) : undefined);
  if (field === undefined) return undefined;
  const lower = wanted.toLowerCase();
  const number = Number(wanted);
  return (board) => {
    const value = board[field];
    // What is not known fulfils nothing, not even `!=`.
    if (value === null || value === undefined) return false;
    if (Array.isArray(value)) {
      const has = value.some((each) => each.toLowerCase() === lower);
      return operator === '!=' ? !has : has;
    }
    switch (operator) {
      case '>':
        return Number(value) > number;
      case '>=':
        return Number(value) >= number;
      case '<':
        return Number(value) < number;
      case '<=':
        return Number(value) <= number;
      case '!=':
        return !same(value, wanted);
      default:
        return operator === ':' && typeof value === 'string'
          ? value.toLowerCase().includes(lower)
          : same(value, wanted);
    }
  };
}

function same(value: unknown, wanted: string): boolean {
  return typeof value === 'number'
    ? value === Number(wanted)
    : String(value).toLowerCase() === wanted.toLowerCase();
}

function mention(word: string): (board: Board) => boolean {
  const lower = word.toLowerCase();
  return ({ haystack }) => haystack.includes(lower);
}
