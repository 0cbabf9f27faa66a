import { DatabaseSync } from 'node:sqlite';
import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * `hot` holds samples as they came until their hour is over; then each board's hour becomes one blob in
 * `chunk` (level 0 as they came, 1 by the minute, 2 a day by the hour). A blob of an hour takes about a
 * tenth of its rows.
 */
const TABLES = `
CREATE TABLE IF NOT EXISTS node (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT);
CREATE TABLE IF NOT EXISTS hot (
  node INTEGER NOT NULL, t INTEGER NOT NULL, v BLOB NOT NULL, PRIMARY KEY (node, t)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunk (
  level INTEGER NOT NULL, node INTEGER NOT NULL, start INTEGER NOT NULL, rows BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS chunk_place ON chunk (level, node, start);
CREATE INDEX IF NOT EXISTS chunk_age ON chunk (level, start);
CREATE TABLE IF NOT EXISTS fleet (
  t INTEGER PRIMARY KEY, online INTEGER, offline INTEGER, stale INTEGER, watts REAL, tokens_per_s REAL
);
CREATE TABLE IF NOT EXISTS document (
  kind TEXT NOT NULL, id TEXT NOT NULL, updated_ms INTEGER NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS document_age ON document (kind, updated_ms);
CREATE TABLE IF NOT EXISTS audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, user TEXT NOT NULL,
  "from" TEXT NOT NULL, what TEXT NOT NULL, text TEXT NOT NULL, detail TEXT NOT NULL
);
`;

const SCHEMA_VERSION = 1;
const BUSY_MS = 10_000;
/** Rows of one board land on one page again and again: a long log lets these rewrites fall together. */
const CHECKPOINT_PAGES = 16_000;

/** Opens or makes the database. Throws when the file is of a later version, or is none of ours. */
export function openFleetDatabase(path: string): DatabaseSync {
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(path);
  try {
    db.exec(`PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA auto_vacuum = INCREMENTAL;
      PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA cache_size = -65536;
      PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY;`);
    const { user_version: version = 0 } = db.prepare('PRAGMA user_version').get() as {
      user_version?: number;
    };
    if (version > SCHEMA_VERSION) {
      throw new Error(`${path} was written by a later version of twowatt`);
    }
    db.exec(`BEGIN IMMEDIATE; ${TABLES} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
    // Hashes of passwords are in it.
    if (path !== ':memory:') chmodSync(path, 0o600);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
