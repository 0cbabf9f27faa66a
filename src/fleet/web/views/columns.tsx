import type { JSX } from 'preact';
import { f, t, tCode, type TextKey } from '../i18n/index.ts';
import { UNKNOWN } from '../lib/format.ts';
import type { SortKey } from '../lib/order.ts';
import type { Board } from '../lib/rows.ts';
import { serverNow } from '../state/fleet.ts';
import { Glyph } from '../ui/glyph.tsx';
import { LookMark, lookText, Meter, ratioTone, SeverityMark } from '../ui/parts.tsx';

export type Column = {
  key: SortKey;
  title: TextKey;
  /** A track of `grid-template-columns`, and the least pixels of it. */
  track: string;
  least: number;
  number?: boolean;
  /** It tells which board the row is: drawn even while rows fly past. */
  names?: boolean;
  /** Of the figures below; it stands in the head, so that ten thousand cells need not repeat it. */
  unit?: string;
  /** Best or worst first is what somebody wants who clicks on it. */
  descendingFirst?: boolean;
  cell: (board: Board) => JSX.Element | string;
};

/** From this share of the budget or the limit on, a meter warns. */
const WARN_FROM = 0.9;

function metered(value: string, ratio: number | null, warnFrom = WARN_FROM): JSX.Element {
  return (
    <div class="metered">
      {value}
      <Meter ratio={ratio} tone={ratioTone(ratio, warnFrom)} />
    </div>
  );
}

function BoardLink({ node }: { node: string }) {
  return (
    <a class="board-name" tabIndex={-1} href={`#/boards/${encodeURIComponent(node)}`}>
      {node}
    </a>
  );
}

const COLUMNS: Record<string, Column> = {
  look: {
    key: 'look',
    title: 'column.look',
    track: '104px',
    least: 104,
    cell: (board) => <LookMark look={board.look} />,
  },
  node: {
    key: 'node',
    title: 'column.node',
    names: true,
    track: 'minmax(120px, 1fr)',
    least: 120,
    cell: (board) => <BoardLink node={board.node} />,
  },
  node_look: {
    key: 'node',
    title: 'column.node',
    names: true,
    track: 'minmax(120px, 1fr)',
    least: 120,
    cell: (board) => (
      <>
        <BoardLink node={board.node} />
        <div class="muted">
          <LookMark look={board.look} />
        </div>
      </>
    ),
  },
  pools: {
    key: 'pools',
    title: 'column.pools',
    track: 'minmax(78px, 0.7fr)',
    least: 78,
    cell: (board) => (board.pools.length === 0 ? UNKNOWN : board.pools.join(', ')),
  },
  profile: {
    key: 'profile',
    title: 'column.profile',
    track: 'minmax(108px, 0.9fr)',
    least: 108,
    cell: (board) => board.profile ?? UNKNOWN,
  },
  version: {
    key: 'version',
    title: 'column.version',
    track: '62px',
    least: 62,
    cell: (board) => board.version ?? UNKNOWN,
  },
  watts: {
    key: 'watts',
    unit: 'W',
    title: 'column.watts',
    track: '72px',
    least: 72,
    number: true,
    descendingFirst: true,
    cell: (board) => metered(f().watts(board.watts).value, board.watts_ratio, 1.0001),
  },
  budget_w: {
    key: 'budget_w',
    unit: 'W',
    title: 'column.budget',
    track: '72px',
    least: 72,
    number: true,
    descendingFirst: true,
    cell: (board) => f().watts(board.budget_w).value,
  },
  soc_c: {
    key: 'soc_c',
    unit: '°C',
    title: 'column.heat',
    track: '68px',
    least: 68,
    number: true,
    descendingFirst: true,
    cell: (board) => metered(f().celsius(board.soc_c).value, board.heat_ratio, WARN_FROM),
  },
  tokens_per_s: {
    key: 'tokens_per_s',
    unit: 'tok/s',
    title: 'column.tokens',
    track: '86px',
    least: 86,
    number: true,
    descendingFirst: true,
    cell: (board) => f().tokensPerS(board.tokens_per_s).value,
  },
  joules_per_token: {
    key: 'joules_per_token',
    unit: 'J/tok',
    title: 'column.joules',
    track: '88px',
    least: 88,
    number: true,
    descendingFirst: true,
    cell: (board) => f().joulesPerToken(board.joules_per_token).value,
  },
  queue_depth: {
    key: 'queue_depth',
    title: 'column.queue',
    track: '58px',
    least: 58,
    number: true,
    descendingFirst: true,
    cell: (board) => f().count(board.queue_depth).value,
  },
  cloud_share: {
    key: 'cloud_share',
    unit: '%',
    title: 'column.cloud',
    track: '64px',
    least: 64,
    number: true,
    descendingFirst: true,
    cell: (board) => f().percent(board.cloud_share).value,
  },
  health: {
    key: 'severity',
    title: 'column.health',
    track: 'minmax(140px, 2fr)',
    least: 140,
    cell: (board) =>
      board.severity === null ? (
        <span class="muted">{UNKNOWN}</span>
      ) : (
        <span class="look" title={board.health.map((code) => tCode('health', code)).join(' · ')}>
          <SeverityMark severity={board.severity} bare />
          {tCode('health', board.health[0] ?? '')}
          {board.health.length > 1 ? <span class="muted">+{board.health.length - 1}</span> : null}
        </span>
      ),
  },
  seen_ms: {
    key: 'seen_ms',
    title: 'column.seen',
    track: '84px',
    least: 84,
    number: true,
    cell: (board) =>
      board.seen_ms === null
        ? UNKNOWN
        : t('ago', { age: f().duration((serverNow() - board.seen_ms) / 1000) }),
  },
};

const WIDE = [
  'look',
  'node',
  'pools',
  'profile',
  'version',
  'watts',
  'budget_w',
  'soc_c',
  'tokens_per_s',
  'joules_per_token',
  'queue_depth',
  'cloud_share',
  'health',
  'seen_ms',
];
const NARROW = ['node_look', 'watts', 'soc_c', 'tokens_per_s'];

const pick = (names: string[]): Column[] => names.flatMap((name) => COLUMNS[name] ?? []);

export const WIDE_COLUMNS = pick(WIDE);
export const NARROW_COLUMNS = pick(NARROW);

/** The first column of every table: the box that chooses the row. */
export const PICK_TRACK = 34;

export function layoutOf(columns: readonly Column[]): { template: string; width: string } {
  const least = columns.reduce((sum, column) => sum + column.least, PICK_TRACK);
  return {
    template: `${PICK_TRACK}px ${columns.map(({ track }) => track).join(' ')}`,
    width: `${least}px`,
  };
}

export function PickBox({ on }: { on: boolean }) {
  return <span class={on ? 'box on' : 'box'}>{on ? <Glyph shape="check" /> : null}</span>;
}

/** The row in words, for screen readers that read it whole. */
export const rowLabel = (board: Board): string => `${board.node}, ${lookText(board.look)}`;
