import {
  accessSync,
  closeSync,
  constants,
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
import { MIGRATIONS } from './schema.ts';
import { prepareStatements } from './statements.ts';

/** What happened to a journal that could not be read. */
export type CorruptReport = { movedTo: string; reason: string };

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

/** A burst may grow the log; afterwards it is cut back to this. */
const LONGEST_LOG_BYTES = 4 * 1024 * 1024;

const SIDE_FILES = ['-wal', '-shm'] as const;

/**
 * Opens the database of a journal and holds an exclusive lock on it until it is closed.
 *
 * `locking_mode=EXCLUSIVE` is set before the first access, so the lock is a file lock that the kernel
 * drops with the process, and no shared-memory file is needed. Nothing else in this process may open
 * and close the file: POSIX would drop the lock with it.
 *
 * A file that SQLite cannot read is never emptied: it is moved aside whole and a fresh one begun.
 */
export function openDatabase(
  path: string,
  onCorrupt: (report: CorruptReport) => void,
): DatabaseSync {
  try {
    prepareFile(path);
    try {
      return connect(path);
    } catch (error) {
      const failure = toJournalError(error, path);
      if (!(failure instanceof JournalError) || failure.problem !== 'corrupt') throw failure;
      const report = { movedTo: moveAside(path), reason: failure.message };
      prepareFile(path);
      const fresh = connect(path);
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

function connect(path: string): DatabaseSync {
  // SQLite deletes the log of an empty database. Ours never has one: the file was lost or cut off.
  if (statSync(path).size === 0 && existsSync(`${path}-wal`) && statSync(`${path}-wal`).size > 0) {
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
      PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
      PRAGMA journal_size_limit = ${LONGEST_LOG_BYTES};
    `);
    migrate(database, path);
    checkSchema(database, path);
    checkAfterCrash(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
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
  const keeper = database.prepare('SELECT closed_cleanly FROM keeper').get();
  if (keeper === undefined || keeper['closed_cleanly'] === 1) return;
  const verdict = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
  if (verdict !== 'ok') {
    throw new JournalError('corrupt', `the journal ${path}: ${String(verdict)}`);
  }
}

function moveAside(path: string): string {
  let number = 1;
  while (existsSync(`${path}.corrupt-${number}`)) number += 1;
  const target = `${path}.corrupt-${number}`;
  renameSync(path, target);
  for (const suffix of SIDE_FILES) {
    if (existsSync(path + suffix)) renameSync(path + suffix, target + suffix);
  }
  fsyncFolder(dirname(path));
  return target;
}
