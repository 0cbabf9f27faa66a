import type { Clock } from '../core/index.ts';

/** Where journal time stood at a moment of one boot; stored with every write. */
export type TimelineAnchor = {
  bootId: string;
  monotonicMs: number;
  wallMs: number;
  wallTrusted: boolean;
  journalMs: number;
};

/**
 * Journal time: milliseconds that only ever grow, and the only time that deadlines, the dedupe
 * window and retention are counted in.
 *
 * Boards have no battery-backed clock. The wall clock may stand at 1970, at the last shutdown or, if
 * somebody typed a date, years ahead, and leaps when NTP comes up. So within one boot journal time
 * follows the monotonic clock, which counts a restart of the daemon exactly.
 */
export type Timeline = {
  now(): number;
  anchor(): TimelineAnchor;
  /** How the time since the stored anchor was known; `unknown` counted it as 0. */
  readonly continued: 'fresh' | 'monotonic' | 'wall' | 'unknown';
};

/** A board that lay in a drawer for longer has no prompt that anybody still waits for: not a downtime to count on. */
export const LONGEST_PLAUSIBLE_DOWNTIME_MS = 30 * 24 * 3600 * 1000;

/** What the core clock says when the kernel gives no boot id: two such boots cannot be told apart. */
const UNKNOWN_BOOT = 'unknown';

/**
 * Journal time elapsed between a stored anchor and now.
 *
 * Across boots only the wall clock knows the downtime, and it is believed only if it was trusted at
 * both ends and the difference is plausible. Otherwise the downtime counts as 0, which errs on the
 * side of answering late: a deadline that is taken for passed loses a prompt that was accepted, one
 * that is taken for open costs some tokens.
 */
function elapsedSince(
  anchor: TimelineAnchor,
  clock: Clock,
): { ms: number; continued: Timeline['continued'] } {
  const sameBoot = anchor.bootId === clock.bootId() && anchor.bootId !== UNKNOWN_BOOT;
  const byMonotonic = clock.monotonicMs() - anchor.monotonicMs;
  if (sameBoot && byMonotonic >= 0) return { ms: byMonotonic, continued: 'monotonic' };
  const byWall = clock.wallMs() - anchor.wallMs;
  const plausible = byWall >= 0 && byWall <= LONGEST_PLAUSIBLE_DOWNTIME_MS;
  if (anchor.wallTrusted && clock.wallTrusted() && plausible) {
    return { ms: byWall, continued: 'wall' };
  }
  return { ms: 0, continued: 'unknown' };
}

export function createTimeline(clock: Clock, stored: TimelineAnchor | undefined): Timeline {
  const since = stored === undefined ? undefined : elapsedSince(stored, clock);
  const startJournalMs = (stored?.journalMs ?? 0) + Math.floor(since?.ms ?? 0);
  const startMonotonicMs = clock.monotonicMs();
  const now = () =>
    startJournalMs + Math.floor(Math.max(0, clock.monotonicMs() - startMonotonicMs));
  return {
    continued: since?.continued ?? 'fresh',
    now,
    anchor: () => ({
      bootId: clock.bootId(),
      monotonicMs: clock.monotonicMs(),
      wallMs: clock.wallMs(),
      wallTrusted: clock.wallTrusted(),
      journalMs: now(),
    }),
  };
}
