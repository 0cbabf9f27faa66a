import {
  accessSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fsyncFolder, isErrno } from '../core/index.ts';
import { JournalError, toJournalError } from './errors.ts';
import { hasLog, logFault } from './log-check.ts';
import { MIGRATIONS } from './schema.ts';
import { prepareStatements } from './statements.ts';

/** What happened to a journal that could not be read, or not to its end. */
export type CorruptReport = {
  /** The files as they were found. */
  movedTo: string;
  reason: string;
  /** What could be read goes on; otherwise a fresh journal was begun. */
  goesOn: boolean;
};

/** Long enough for a predecessor that is just closing, short enough for a clear answer at start. */
const LOCK_WAIT_MS = 1000;

/**
 * Bytes per page. A transaction of ours changes a few small rows on four to seven pages, and every
 * changed page goes whole into the log: with 1 KiB pages a prompt writes 33 KiB to the card, with
 * SQLite's usual 4 KiB pages 80 KiB (bench/journal.ts).
 */
const PAGE_BYTES = 1024;

/**
 * Pages in the log before they are copied into the database. More lets more rewrites of one page fall
 * together (four times as many saves 2 % of the bytes), fewer keep the copying short: it holds up
 * the event loop.
 */
const CHECKPOINT_PAGES = 1000;
/** SQLite's own cache is 2 MiB, of which a queue uses the newest pages only: no slower, and 1.6 MB less. */
const CACHE_KIB = 512;

/** A burst may grow the log; afterwards it is cut back to this. */
const LONGEST_LOG_BYTES = 4 * 1024 * 1024;

const SIDE_FILES = ['-wal', '-shm'] as const;
/** A copy of the log, on its way aside. */
const KEPT_LOG = '-wal.kept';

/**
 * Opens the database of a journal and holds an exclusive lock on it until it is closed.
 *
 * `locking_mode=EXCLUSIVE` is set before the first access, so the lock is a file lock that the kernel
 * drops with the process, and no shared-memory file is needed. Nothing else in this process may open
 * and close the file: POSIX would drop the lock with it.
 *
 * A file that SQLite cannot read is never emptied: it is moved aside whole and a fresh one begun. Where
 * only the end of its log is lost, a copy is set aside and what can be read goes on.
 */
export function openDatabase(
  path: string,
  onCorrupt: (report: CorruptReport) => void,
): DatabaseSync {
  try {
    prepareFile(path);
    try {
      const { database, lost } = connect(path);
      if (lost === null) return database;
      const movedTo = copyAside(path, database);
      const again = connect(path).database;
      onCorrupt({ movedTo, reason: `the journal ${path}: ${lost}`, goesOn: true });
      return again;
    } catch (error) {
      const failure = toJournalError(error, path);
      if (!(failure instanceof JournalError) || failure.problem !== 'corrupt') throw failure;
      const movedTo = moveAside(path);
      const report = { movedTo, reason: failure.message, goesOn: false };
      prepareFile(path);
      const fresh = connect(path).database;
      onCorrupt(report);
      return fresh;
    }
  } catch (error) {
    throw toJournalError(unwritable(path) ?? error, path);
  }
}

/** SQLite says only "unable to open" where the kernel knows that nothing can be written there. */
function unwritable(path: string): unknown {
  try {
    for (const needed of [dirname(path), path]) {
      if (existsSync(needed)) accessSync(needed, constants.W_OK);
    }
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The database files that were moved aside beside this journal, side files included. */
export function movedAsideFiles(path: string): string[] {
  const prefix = `${basename(path)}.corrupt-`;
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(dirname(path), name));
}

export function removeMovedAside(path: string): void {
  for (const file of movedAsideFiles(path)) rmSync(file, { force: true });
  fsyncFolder(dirname(path));
}

/** Prompts are private: folder and file are the owner's only. SQLite gives its log the file's mode. */
function prepareFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    closeSync(openSync(path, 'wx', 0o600));
    fsyncFolder(dirname(path));
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  }
}

/** `lost`: what the log held and nobody can read any more; null when it is sound. */
function connect(path: string): { database: DatabaseSync; lost: string | null } {
  const logIsThere = hasLog(path);
  // SQLite deletes the log of an empty database. Ours never has one: the file was lost or cut off.
  if (statSync(path).size === 0 && logIsThere) {
    throw new JournalError('corrupt', `the journal ${path}: its log is there but it is empty`);
  }
  const database = new DatabaseSync(path, {
    timeout: LOCK_WAIT_MS,
    enableForeignKeyConstraints: true,
  });
  try {
    database.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA page_size = ${PAGE_BYTES};
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA secure_delete = ON;
      PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -${CACHE_KIB};
      PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
      PRAGMA journal_size_limit = ${LONGEST_LOG_BYTES};
    `);
    migrate(database, path);
    checkSchema(database, path);
    if (closedCleanly(database)) return { database, lost: null };
    checkAfterCrash(database, path);
    // Only a clean close takes the log away.
    const lost = logIsThere ? logFault(path) : 'its log is gone, and what was last written with it';
    return { database, lost: lost ?? null };
  } catch (error) {
    const failure = toJournalError(error, path);
    if (failure instanceof JournalError && failure.problem === 'corrupt') keepLog(path);
    database.close();
    throw error;
  }
}

/** Closing takes the log in and away; what is set aside should have it as it was found. */
function keepLog(path: string): void {
  if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, path + KEPT_LOG);
}

function migrate(database: DatabaseSync, path: string): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
  if (version > MIGRATIONS.length) {
    throw new JournalError(
      'newer_schema',
      `the journal ${path} has schema version ${version}, this twowatt knows up to ${MIGRATIONS.length}`,
    );
  }
  if (version === 0 && database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get()) {
    throw new JournalError(
      'foreign',
      `${path} is an SQLite database of something else; expected a journal or no file`,
    );
  }
  for (let from = version; from < MIGRATIONS.length; from += 1) {
    database.exec(
      `BEGIN IMMEDIATE; ${MIGRATIONS[from]} PRAGMA user_version = ${from + 1}; COMMIT;`,
    );
  }
}

function closedCleanly(database: DatabaseSync): boolean {
  const keeper = database.prepare('SELECT closed_cleanly FROM keeper').get();
  return keeper === undefined || keeper['closed_cleanly'] === 1;
}

/** A changed byte in the name of a table or column shows when the statements are prepared. */
function checkSchema(database: DatabaseSync, path: string): void {
  try {
    prepareStatements(database);
  } catch (error) {
    const failure = toJournalError(error, path);
    if (failure instanceof JournalError) throw failure;
    const why = error instanceof Error ? error.message : String(error);
    throw new JournalError('corrupt', `the journal ${path}: its schema is damaged (${why})`, error);
  }
}

/**
 * After a clean close the file is as SQLite left it and is not read through again; after a crash or
 * a power cut its structure is. SQLite has no checksums on pages, so this finds broken structure,
 * not a flipped bit inside a text.
 */
function checkAfterCrash(database: DatabaseSync, path: string): void {
  const verdict = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
  if (verdict !== 'ok') {
    throw new JournalError('corrupt', `the journal ${path}: ${String(verdict)}`);
  }
}

function freeName(path: string): string {
  let number = 1;
  while (existsSync(`${path}.corrupt-${number}`)) number += 1;
  return `${path}.corrupt-${number}`;
}

/**
 * Copies the files aside and closes the database: the log first, since closing takes it in and away; the
 * database after that, since closing a copy's source would drop our lock on it.
 */
function copyAside(path: string, database: DatabaseSync): string {
  const target = freeName(path);
  if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${target}-wal`);
  database.close();
  copyFileSync(path, target);
  fsyncFolder(dirname(path));
  return target;
}

function moveAside(path: string): string {
  const target = freeName(path);
  renameSync(path, target);
  for (const suffix of SIDE_FILES) {
    if (existsSync(path + suffix)) renameSync(path + suffix, target + suffix);
  }
  if (existsSync(path + KEPT_LOG)) renameSync(path + KEPT_LOG, `${target}-wal`);
  fsyncFolder(dirname(path));
  return target;
}
