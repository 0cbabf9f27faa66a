import type { BoardColumn, BoardColumns, BoardRow } from '../../../protocol/fleet/index.ts';

/** A board as the page keeps it: the server's columns by name, and what is derived from them once. */
export type Board = BoardColumns & {
  look: Look;
  /** Share of the answers that came from the cloud, 0 to 1; null before the first answer. */
  cloud_share: number | null;
  /** Power over budget, 1 is all of it. */
  watts_ratio: number | null;
  /** Temperature over its limit. */
  heat_ratio: number | null;
  /** Its name so that `pi-2` stands before `pi-10` in plain order: a collator takes ten times as long. */
  order_key: string;
  /** Everything that words of a search are looked for in, lower case. */
  haystack: string;
};

/**
 * How a board is shown at first glance, worst first: the one thing about it that an operator wants to
 * know before any other.
 */
export const LOOKS = [
  'offline',
  'stale',
  'unknown',
  'failing',
  'hot',
  'throttled',
  'warning',
  'draining',
  'paused',
  'pacing',
  'busy',
  'ready',
] as const;
export type Look = (typeof LOOKS)[number];
export const LOOK_RANK = new Map<Look, number>(LOOKS.map((look, rank) => [look, rank]));

export type Tone = 'bad' | 'warn' | 'info' | 'ok' | 'live';

export const LOOK_TONE: Record<Look, Tone> = {
  offline: 'bad',
  stale: 'warn',
  unknown: 'warn',
  failing: 'bad',
  hot: 'bad',
  throttled: 'warn',
  warning: 'warn',
  draining: 'info',
  paused: 'info',
  pacing: 'ok',
  busy: 'live',
  ready: 'ok',
};

export function lookOf(board: BoardColumns): Look {
  if (board.status === 'offline' || board.status === 'stale' || board.status === 'unknown') {
    return board.status;
  }
  if (board.engine === 'unavailable' || board.severity === 'error') return 'failing';
  if (board.governor === 'hot') return 'hot';
  if (board.throttled === true || board.under_voltage === true) return 'throttled';
  if (board.severity === 'warning') return 'warning';
  if (board.status === 'draining') return 'draining';
  if (board.governor === 'paused') return 'paused';
  if (board.engine === 'busy') return board.governor === 'pacing' ? 'pacing' : 'busy';
  return 'ready';
}

/** Reads rows by the names of their columns: a newer server may send more of them. */
export function createRowReader(columns: readonly BoardColumn[]): (row: BoardRow) => Board {
  return (row) => {
    // Filled in one order and never copied: ten thousand of them are made at once.
    const board: Record<string, unknown> = {};
    for (let i = 0; i < columns.length; i += 1) board[columns[i] as string] = row[i];
    return derive(board as Board);
  };
}

function derive(board: Board): Board {
  const { edge_total: edge, cloud_total: cloud, watts, budget_w, soc_c, limit_c } = board;
  const answers = (edge ?? 0) + (cloud ?? 0);
  board.look = lookOf(board);
  board.cloud_share = answers > 0 ? (cloud ?? 0) / answers : null;
  board.watts_ratio = watts !== null && budget_w !== null && budget_w > 0 ? watts / budget_w : null;
  board.heat_ratio = soc_c !== null && limit_c !== null && limit_c > 0 ? soc_c / limit_c : null;
  board.order_key = orderKey(board.node);
  const { node, profile, version, model, look, pools, health } = board;
  board.haystack =
    `${node} ${profile ?? ''} ${version ?? ''} ${model ?? ''} ${look} ${pools?.join(' ')} ${health?.join(' ')}`.toLowerCase();
  return board;
}

const DIGITS = 12;
const keys = new Map<string, string>();
const MOST_KEYS = 200_000;

function orderKey(node: string): string {
  let key = keys.get(node);
  if (key === undefined) {
    key = node.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(DIGITS, '0'));
    if (keys.size < MOST_KEYS) keys.set(node, key);
  }
  return key;
}
