import { type Clock, newId } from '../../core/index.ts';
import type { BoardRecord, BoardStatus } from '../../protocol/fleet/index.ts';
import type {
  HealthCondition,
  InfoMessage,
  StateMessage,
  Telemetry,
} from '../../protocol/index.ts';

/** A board that names a time before this, or further in the future than a minute, has no clock to go by. */
const EARLIEST_MS = Date.UTC(2026, 0, 1);
const FUTURE_MS = 60_000;
/** Telemetry of the last two minutes is the present, older one was kept back on the way. */
const PRESENT_MS = 120_000;
/** Delays only ever make a board look behind: the least difference of a few messages is its clock's. */
const SKEW_MESSAGES = 5;
/** Removals that readers of events may still ask for. */
const REMEMBERED_REMOVALS = 1000;

type Entry = {
  board: BoardRecord;
  seq: number;
  differences: number[];
  /** Time of the telemetry in `board`. */
  sampledMs: number;
  /** Since when telemetry may be expected, monotonic; sets the clock for `stale`. */
  expectedSinceMs: number;
  dirty: boolean;
};

export type Registry = ReturnType<typeof createRegistry>;

/**
 * Every board as it is now. Each change gives it the next sequence number, so that whoever has seen number n
 * needs only the boards with greater ones. Times are the wall clock's, for people; what counts as stale goes
 * by the monotonic clock.
 */
export function createRegistry(options: { clock: Clock; staleAfterMs: number }) {
  const { clock, staleAfterMs } = options;
  const boot = newId();
  const entries = new Map<string, Entry>();
  const removals: { node: string; seq: number }[] = [];
  let seq = 0;
  let firstKnownRemoval = 0;

  const entryOf = (node: string): Entry => {
    const known = entries.get(node);
    if (known !== undefined) return known;
    const entry: Entry = {
      board: {
        node,
        status: 'unknown',
        status_since_ms: clock.wallMs(),
        seen_ms: null,
        telemetry_ms: null,
        clock_skew_ms: null,
        state: null,
        info: null,
        health: [],
        telemetry: null,
      },
      seq: 0,
      differences: [],
      sampledMs: 0,
      expectedSinceMs: clock.monotonicMs(),
      dirty: true,
    };
    entries.set(node, entry);
    return entry;
  };

  const statusOf = ({ board, expectedSinceMs }: Entry): BoardStatus => {
    if (board.state === null) return 'unknown';
    if (board.state.state === 'offline') return 'offline';
    const silentMs = clock.monotonicMs() - expectedSinceMs;
    return silentMs > staleAfterMs ? 'stale' : board.state.state;
  };

  const touch = (entry: Entry): void => {
    const status = statusOf(entry);
    if (status !== entry.board.status) {
      entry.board.status = status;
      entry.board.status_since_ms = clock.wallMs();
    }
    seq += 1;
    entry.seq = seq;
    entry.dirty = true;
  };

  return {
    boards: (): BoardRecord[] => Array.from(entries.values(), ({ board }) => board),
    size: () => entries.size,
    board: (node: string): BoardRecord | undefined => entries.get(node)?.board,
    seq: () => `${boot}-${seq}`,

    /** Boards as they were before a restart; what the broker retains replaces it at once. */
    restore(records: BoardRecord[]): void {
      for (const record of records) {
        const entry = entryOf(record.node);
        entry.board = record;
        entry.sampledMs = record.telemetry_ms ?? 0;
        seq += 1;
        entry.seq = seq;
        entry.dirty = false;
      }
    },

    setState(node: string, state: StateMessage, retained: boolean): void {
      const entry = entryOf(node);
      const wasAway = entry.board.state === null || entry.board.state.state === 'offline';
      entry.board.state = state;
      if (wasAway && state.state !== 'offline') entry.expectedSinceMs = clock.monotonicMs();
      // A Last Will is the broker's word, and a retained message may be of any age.
      if (!retained && state.since !== null) entry.board.seen_ms = clock.wallMs();
      touch(entry);
    },
    setInfo(node: string, info: InfoMessage, retained: boolean): void {
      const entry = entryOf(node);
      entry.board.info = info;
      if (!retained) entry.board.seen_ms = clock.wallMs();
      touch(entry);
    },
    setHealth(node: string, health: HealthCondition[], retained: boolean): void {
      const entry = entryOf(node);
      entry.board.health = health;
      if (!retained) entry.board.seen_ms = clock.wallMs();
      touch(entry);
    },
    /** Returns the time to store it under: the board's own where that can be, else the server's. */
    setTelemetry(node: string, telemetry: Telemetry): number {
      const entry = entryOf(node);
      const now = clock.wallMs();
      const told = Date.parse(telemetry.ts);
      const plausible = told >= EARLIEST_MS && told <= now + FUTURE_MS;
      const tMs = plausible ? told : now;
      if (Number.isFinite(told)) {
        entry.differences.push(now - told);
        if (entry.differences.length > SKEW_MESSAGES) entry.differences.shift();
        entry.board.clock_skew_ms = Math.min(...entry.differences);
      }
      entry.board.seen_ms = now;
      if (tMs >= entry.sampledMs || now - tMs < PRESENT_MS) {
        entry.board.telemetry = telemetry;
        entry.board.telemetry_ms = now;
        entry.sampledMs = tMs;
        entry.expectedSinceMs = clock.monotonicMs();
      }
      touch(entry);
      return tMs;
    },

    /** Finds boards that became stale since the last call. */
    tick(): void {
      for (const entry of entries.values()) {
        if (statusOf(entry) !== entry.board.status) touch(entry);
      }
    },

    remove(node: string): boolean {
      if (!entries.delete(node)) return false;
      seq += 1;
      removals.push({ node, seq });
      if (removals.length > REMEMBERED_REMOVALS) firstKnownRemoval = removals.shift()?.seq ?? 0;
      return true;
    },

    /** What changed after `since`; undefined when that is of another life of this server, or too long ago. */
    changesAfter(since: string): { boards: BoardRecord[]; removed: string[] } | undefined {
      const number = since.startsWith(`${boot}-`)
        ? Number(since.slice(boot.length + 1))
        : Number.NaN;
      if (Number.isNaN(number) || number < firstKnownRemoval) return undefined;
      if (number >= seq) return { boards: [], removed: [] };
      const boards: BoardRecord[] = [];
      for (const entry of entries.values()) if (entry.seq > number) boards.push(entry.board);
      return {
        boards,
        removed: removals.filter((removal) => removal.seq > number).map(({ node }) => node),
      };
    },

    /** Boards that changed since the last call. */
    takeDirty(): BoardRecord[] {
      const dirty: BoardRecord[] = [];
      for (const entry of entries.values()) {
        if (!entry.dirty) continue;
        entry.dirty = false;
        dirty.push(entry.board);
      }
      return dirty;
    },
  };
}
