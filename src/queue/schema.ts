/**
 * States of a prompt row. `blocked` waits behind an older prompt of its session: the oldest active
 * prompt of a session is never blocked and all others always are, so that a claim is one step into an
 * index however long the queues of some sessions are.
 */
export const STATE = { ready: 0, blocked: 1, running: 2, answered: 3 } as const;

/**
 * Migrations, one per schema version: entry n brings `user_version` n to n + 1. Published entries are
 * never edited.
 *
 * Small rows and big text are apart: a claim changes a few bytes of `prompt` and must not write a
 * 64 KiB body again. `content` holds the prompt's body until it is answered, then the answer's bytes.
 * All times are journal time (see timeline.ts). `keeper` has one row, written with every transaction.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE keeper (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    boot_id TEXT NOT NULL,
    monotonic_ms REAL NOT NULL,
    wall_ms REAL NOT NULL,
    wall_trusted INTEGER NOT NULL,
    journal_ms INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    closed_cleanly INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE prompt (
    seq INTEGER PRIMARY KEY,
    state INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    expires_at INTEGER,
    answered_at INTEGER,
    sent INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    id TEXT NOT NULL,
    id_generated INTEGER NOT NULL,
    packet_id INTEGER,
    redelivered INTEGER NOT NULL,
    session TEXT,
    body_hash TEXT NOT NULL,
    topic TEXT NOT NULL,
    format TEXT NOT NULL,
    correlation TEXT,
    user_properties TEXT
  ) STRICT;
  CREATE INDEX prompt_by_id ON prompt (id);
  CREATE INDEX prompt_by_packet ON prompt (packet_id)
    WHERE id_generated = 1 AND packet_id IS NOT NULL;
  CREATE INDEX prompt_ready ON prompt (priority DESC, seq) WHERE state = 0;
  CREATE INDEX prompt_of_session ON prompt (session, seq) WHERE session IS NOT NULL AND state < 3;
  CREATE INDEX prompt_expiry ON prompt (expires_at) WHERE expires_at IS NOT NULL AND state < 2;
  CREATE INDEX prompt_answered ON prompt (sent, answered_at) WHERE state = 3;

  CREATE TABLE content (
    seq INTEGER PRIMARY KEY REFERENCES prompt (seq) ON DELETE CASCADE,
    text TEXT NOT NULL
  ) STRICT;

  CREATE TABLE session (
    key INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    used_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE turn (
    session_key INTEGER NOT NULL REFERENCES session (key) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (session_key, n)
  ) STRICT, WITHOUT ROWID;
  `,
  // Which gateway takes the answer. What is there already came over MQTT.
  `ALTER TABLE prompt ADD COLUMN kind TEXT NOT NULL DEFAULT 'mqtt';`,
  // Whether a session must stay on the board, and where its last turn was answered.
  `ALTER TABLE session ADD COLUMN local INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE session ADD COLUMN target TEXT;`,
];
