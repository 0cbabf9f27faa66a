import { readFileSync, rmSync } from 'node:fs';
import { type Clock, isErrno, type Logger, writeFileAtomic } from '../core/index.ts';
import type { Telemetry } from '../protocol/index.ts';

/** A telemetry message that could not be sent when it was made. */
export type Kept = {
  /** Monotonic time of the boot `boot` at which it was made, milliseconds. */
  atMs: number;
  boot: string;
  /** Wall clock less monotonic clock when it was made: what the board took for the date. */
  offsetMs: number;
  synchronised: boolean;
  text: string;
};

export type BacklogBounds = { maxBytes: number; maxAgeMs: number };

export type Backlog = {
  add(kept: Kept): void;
  /** The oldest; undefined when nothing waits. */
  oldest(): Kept | undefined;
  remove(kept: Kept): void;
  /** Forgets what was made since this moment of the present boot. */
  dropSince(atMs: number): void;
  size(): number;
  bytes(): number;
  /** Writes it to disk, or removes the file when there is nothing to write. */
  save(): void;
};

/** A wall clock that differs by less was drifting, not set. */
const STEP_MS = 1000;
/** How much of what was gathered offline a power cut may cost; more often would wear flash cards. */
const SAVE_PERIOD_MS = 15 * 60_000;
const FILE_VERSION = 1;

/** What `telemetry` was made from, to be able to date it anew once the clock has been set. */
export function keep(telemetry: Telemetry, clock: Clock): Kept {
  const offsetMs = Math.round(clock.wallMs() - clock.monotonicMs());
  return {
    atMs: Date.parse(telemetry.ts) - offsetMs,
    boot: clock.bootId(),
    offsetMs,
    synchronised: telemetry.clock?.synchronised ?? true,
    text: JSON.stringify(telemetry),
  };
}

/**
 * The message as it is sent late. `ts` stays the time at which it was made; when the clock has been set
 * since, in the same boot, that time is known better now and `ts` is corrected.
 */
export function lateMessage(kept: Kept, clock: Clock, synchronised: boolean): Telemetry {
  const telemetry = JSON.parse(kept.text) as Telemetry;
  telemetry.late = true;
  const offsetMs = clock.wallMs() - clock.monotonicMs();
  const wasSet = Math.abs(offsetMs - kept.offsetMs) > STEP_MS;
  if (!synchronised || kept.boot !== clock.bootId() || (kept.synchronised && !wasSet)) {
    return telemetry;
  }
  telemetry.ts = new Date(Math.round(kept.atMs + offsetMs)).toISOString();
  if (telemetry.clock) {
    telemetry.clock = { ...telemetry.clock, synchronised: true, corrected: true };
  }
  return telemetry;
}

/**
 * What waits for a connection, oldest first, in memory and bounded in bytes and age. When it is full, the
 * message that stands closest between its neighbours in time goes: a long absence is remembered whole,
 * only more coarsely. Every quarter of an hour, and at a stop, it is written to `file`: a power cut costs
 * at most that much of it, and a flash card sees at most a hundred small writes a day.
 */
export function createBacklog(options: {
  clock: Clock;
  logger: Logger;
  bounds: () => BacklogBounds;
  /** Null keeps it in memory only. */
  file: string | null;
}): Backlog {
  const { clock, logger, bounds, file } = options;
  let entries: Kept[] = file === null ? [] : read(file, logger);
  let bytes = entries.reduce((sum, { text }) => sum + text.length, 0);
  let onDisk = entries.length > 0;
  let savedAtMs: number | undefined;

  const set = (next: Kept[]) => {
    entries = next;
    bytes = next.reduce((sum, { text }) => sum + text.length, 0);
  };
  /** Null when nobody can tell: made in another boot, by a clock that may have been wrong. */
  const ageMs = (kept: Kept): number | null => {
    if (kept.boot === clock.bootId()) return clock.monotonicMs() - kept.atMs;
    const dated = kept.synchronised && clock.wallTrusted();
    return dated ? clock.wallMs() - (kept.atMs + kept.offsetMs) : null;
  };
  const madeAt = (kept: Kept) => kept.atMs + kept.offsetMs;
  const tellsLeast = (): Kept | undefined => {
    let least = entries[0];
    let shortest = Number.POSITIVE_INFINITY;
    for (let i = 1; i < entries.length - 1; i += 1) {
      const [before, here, after] = entries.slice(i - 1, i + 2);
      const span = before && after ? madeAt(after) - madeAt(before) : 0;
      if (span >= shortest) continue;
      shortest = span;
      least = here;
    }
    return least;
  };
  const bound = () => {
    const { maxAgeMs } = bounds();
    const fresh = entries.filter((kept) => (ageMs(kept) ?? 0) <= maxAgeMs);
    if (fresh.length < entries.length) set(fresh);
    while (bytes > bounds().maxBytes) {
      const least = tellsLeast();
      set(entries.filter((kept) => kept !== least));
    }
  };
  const save = () => {
    if (file === null || (entries.length === 0 && !onDisk)) return;
    savedAtMs = clock.monotonicMs();
    try {
      if (entries.length === 0) rmSync(file, { force: true });
      else writeFileAtomic(file, JSON.stringify({ v: FILE_VERSION, entries }));
      onDisk = entries.length > 0;
    } catch (error) {
      logger.warn({ error: String(error) }, 'telemetry that waits could not be written to disk');
    }
  };

  return {
    add(kept) {
      // A message that was on its way when the connection broke comes after later ones.
      const later = entries.findIndex(
        (other) => other.boot === kept.boot && other.atMs > kept.atMs,
      );
      set(entries.toSpliced(later < 0 ? entries.length : later, 0, kept));
      bound();
      savedAtMs ??= clock.monotonicMs();
      if (clock.monotonicMs() - savedAtMs >= SAVE_PERIOD_MS) save();
    },
    oldest() {
      bound();
      return entries[0];
    },
    remove(kept) {
      set(entries.filter((other) => other !== kept));
    },
    dropSince(atMs) {
      const boot = clock.bootId();
      set(entries.filter((kept) => kept.boot !== boot || kept.atMs < atMs));
    },
    size: () => entries.length,
    bytes: () => bytes,
    save,
  };
}

function isKept(value: unknown): value is Kept {
  if (typeof value !== 'object' || value === null) return false;
  const { atMs, boot, offsetMs, synchronised, text } = value as Record<string, unknown>;
  return (
    Number.isFinite(atMs) &&
    Number.isFinite(offsetMs) &&
    typeof boot === 'string' &&
    typeof synchronised === 'boolean' &&
    typeof text === 'string' &&
    text.startsWith('{')
  );
}

function read(file: string, logger: Logger): Kept[] {
  try {
    const stored = JSON.parse(readFileSync(file, 'utf8')) as { v?: unknown; entries?: unknown };
    if (stored.v === FILE_VERSION && Array.isArray(stored.entries)) {
      return stored.entries.filter(isKept);
    }
    logger.warn({ file }, 'stored telemetry is of another version and is left out');
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) {
      logger.warn({ file, error: String(error) }, 'stored telemetry cannot be read');
    }
  }
  return [];
}
