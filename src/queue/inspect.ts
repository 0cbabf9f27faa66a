import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { isErrno } from '../core/index.ts';
import { movedAsideFiles } from './database.ts';
import { STATE } from './schema.ts';

/** What can be told of a journal from outside, without reading a word of any prompt. */
export type JournalLook = {
  /** Damaged journals that were set aside beside it. */
  setAside: string[];
} & (
  | { state: 'absent' }
  /** A daemon has it open; `pid` is null where the kernel does not tell (other namespaces). */
  | { state: 'open'; pid: number | null; bytes: number }
  | {
      state: 'closed';
      bytes: number;
      /** Bytes of its log that the next start takes over; 0 after a clean close. */
      logBytes: number;
      /** False after a crash, a kill or a power cut. */
      cleanly: boolean;
      /** Null while the newest rows stand in the log only, which cannot be read without taking it over. */
      counts: { waiting: number; unsent: number } | null;
    }
  | { state: 'unreadable'; reason: string }
);

/** SQLite locks bytes from here on (its PENDING_BYTE, sqlite.org/fileformat2.html section 1.3). */
const FIRST_LOCK_BYTE = 0x4000_0000;

/** `4: POSIX  ADVISORY  WRITE 12227 fe:00:2146440 1073741824 1073742335` (proc_locks(5)). */
const LOCK_LINE =
  /^\d+: POSIX\s+\w+\s+WRITE (-?\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) (\d+) (?:\d+|EOF)$/gm;

/** Who holds SQLite's write lock on a file; undefined when nobody does. */
export function lockHolder(locks: string, inode: number): { pid: number | null } | undefined {
  for (const [, pid, , , number, start] of locks.matchAll(LOCK_LINE)) {
    // Device numbers differ between stat and the kernel's table on layered file systems.
    if (Number(number) !== inode || Number(start) < FIRST_LOCK_BYTE) continue;
    return { pid: Number(pid) > 0 ? Number(pid) : null };
  }
  return undefined;
}

function kernelLocks(): string {
  try {
    return readFileSync('/proc/locks', 'utf8');
  } catch {
    return '';
  }
}

function sizeOr0(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function setAside(path: string): string[] {
  try {
    return movedAsideFiles(path).filter((name) => !/-(wal|shm)$/.test(name));
  } catch {
    return [];
  }
}

/**
 * Looks at the journal without touching it: no lock, no side file, nothing recovered or moved aside,
 * so that it may be done beside a running daemon and by any user who may read the file. Never throws.
 */
export function inspectJournal(path: string): JournalLook {
  const aside = { setAside: setAside(path) };
  const unreadable = (error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    return { ...aside, state: 'unreadable' as const, reason };
  };
  try {
    const facts = statSync(path, { throwIfNoEntry: false });
    if (facts === undefined) return { ...aside, state: 'absent' };
    if (!facts.isFile()) return { ...aside, state: 'unreadable', reason: 'it is not a file' };
    const held = lockHolder(kernelLocks(), facts.ino);
    if (held !== undefined) return { ...aside, state: 'open', ...held, bytes: facts.size };
    const logBytes = sizeOr0(`${path}-wal`);
    const closed = { ...aside, state: 'closed' as const, bytes: facts.size, logBytes };
    if (logBytes > 0) return { ...closed, cleanly: false, counts: null };
    return { ...closed, ...readDatabase(path) };
  } catch (error) {
    if (isErrno(error, 'EACCES', 'EPERM')) {
      return unreadable(new Error(`no permission to look into ${dirname(path)}`));
    }
    return unreadable(error);
  }
}

function readDatabase(path: string) {
  const location = pathToFileURL(path);
  // Without this SQLite would want a lock and a shared-memory file beside the database.
  location.searchParams.set('immutable', '1');
  const database = new DatabaseSync(location, { readOnly: true });
  try {
    const keeper = database.prepare('SELECT closed_cleanly FROM keeper').get();
    const counts = database
      .prepare(
        `SELECT count(*) FILTER (WHERE state < ?1) AS waiting,
                count(*) FILTER (WHERE state = ?1 AND sent = 0) AS unsent FROM prompt`,
      )
      .get(STATE.answered);
    return {
      cleanly: keeper?.['closed_cleanly'] === 1,
      counts: { waiting: Number(counts?.['waiting']), unsent: Number(counts?.['unsent']) },
    };
  } finally {
    database.close();
  }
}
