import type { PoolClient } from 'pg';
import { SERIES_FIELD_NAMES, SERIES_FIELDS } from '../../../protocol/fleet/index.ts';

/** `power.mean_10s_w` is the column `power_mean_10s_w`: plain names, for Grafana and people with SQL. */
export const columnOf = (field: string): string => field.replaceAll('.', '_');
export const COLUMNS = SERIES_FIELD_NAMES.map(columnOf);

const DAY_MS = 86_400_000;

/** Days per partition: dropping one is how old history goes, so it is a small part of what is kept. */
export const LEVELS = {
  sample: { days: 1 },
  sample_minute: { days: 7 },
  sample_hour: { days: 56 },
} as const;
export type Level = keyof typeof LEVELS;
export const LEVEL_NAMES = Object.keys(LEVELS) as Level[];

const SCHEMA_VERSION = 1;
/** Any number that nobody else uses: this program's locks within one database. */
export const LOCK_SCHEMA = 8_480_001;
export const LOCK_LEADER = 8_480_002;

const typeOf = (field: (typeof SERIES_FIELD_NAMES)[number]): string => {
  const { kind } = SERIES_FIELDS[field];
  return kind === 'flag' ? 'smallint' : kind === 'counter' ? 'double precision' : 'real';
};

const rawColumns = SERIES_FIELD_NAMES.map((field) => `${columnOf(field)} ${typeOf(field)}`);

/** Columns of a roll-up: mean, least and greatest of a gauge; a counter's greatest; a flag's share of time. */
export const ROLLUP_COLUMNS = SERIES_FIELD_NAMES.flatMap((field) => {
  const { kind } = SERIES_FIELDS[field];
  const name = columnOf(field);
  if (kind === 'counter')
    return [{ name, from: `max(${name})`, again: `max(${name})`, type: 'double precision' }];
  const weighted = `(sum(${name} * n) / nullif(sum(n) FILTER (WHERE ${name} IS NOT NULL), 0))::real`;
  const mean = { name, from: `avg(${name})::real`, again: weighted, type: 'real' };
  if (kind === 'flag') return [mean];
  return [
    mean,
    { name: `${name}_min`, from: `min(${name})`, again: `min(${name}_min)`, type: 'real' },
    { name: `${name}_max`, from: `max(${name})`, again: `max(${name}_max)`, type: 'real' },
  ];
});

/** Partitions by time; BRIN finds a range of time in a thousandth of a B-tree's size, the key a board's part. */
const history = (table: Level, columns: string[]): string => `
CREATE TABLE IF NOT EXISTS ${table} (
  node_id integer NOT NULL, t timestamptz NOT NULL, ${columns.join(', ')}, PRIMARY KEY (node_id, t)
) PARTITION BY RANGE (t);
CREATE INDEX IF NOT EXISTS ${table}_brin ON ${table} USING brin (t);`;

const TABLES = `
CREATE TABLE IF NOT EXISTS fleet_schema (version integer NOT NULL);
CREATE TABLE IF NOT EXISTS node (id serial PRIMARY KEY, name text NOT NULL UNIQUE, record text);
${history('sample', rawColumns)}
${LEVEL_NAMES.slice(1)
  .map((level) =>
    history(level, [
      'n integer NOT NULL',
      ...ROLLUP_COLUMNS.map(({ name, type }) => `${name} ${type}`),
    ]),
  )
  .join('')}
CREATE TABLE IF NOT EXISTS late_hour (t timestamptz PRIMARY KEY);
CREATE TABLE IF NOT EXISTS fleet_sample (
  t timestamptz PRIMARY KEY, online integer, offline integer, stale integer, watts real, tokens_per_s real
);
CREATE TABLE IF NOT EXISTS document (
  kind text NOT NULL, id text NOT NULL, updated_ms bigint NOT NULL, body text NOT NULL,
  PRIMARY KEY (kind, id)
);
CREATE INDEX IF NOT EXISTS document_age ON document (kind, updated_ms);
CREATE TABLE IF NOT EXISTS audit (
  id bigserial PRIMARY KEY, at_ms bigint NOT NULL, "user" text NOT NULL, "from" text NOT NULL,
  what text NOT NULL, text text NOT NULL, detail text NOT NULL
);`;

/** Makes what is missing. Throws when a later version made the tables. */
export async function prepareSchema(client: PoolClient): Promise<void> {
  await inSchemaLock(client, async () => {
    await client.query(TABLES);
    const { rows } = await client.query<{ version: number }>('SELECT version FROM fleet_schema');
    const version = rows[0]?.version;
    if (version === undefined) {
      await client.query('INSERT INTO fleet_schema VALUES ($1)', [SCHEMA_VERSION]);
    } else if (version > SCHEMA_VERSION) {
      throw new Error('the database was written by a later version of twowatt');
    }
  });
}

/** Several servers make tables at the same time; PostgreSQL's IF NOT EXISTS alone does not bear that. */
export async function inSchemaLock(client: PoolClient, body: () => Promise<void>): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK_SCHEMA]);
    await body();
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

/** Beginning of the partition that holds `tMs`. */
export function partitionStart(level: Level, tMs: number): number {
  const span = LEVELS[level].days * DAY_MS;
  return Math.floor(tMs / span) * span;
}

const stamp = (ms: number) => new Date(ms).toISOString();
const partitionName = (level: Level, startMs: number) =>
  `${level}_${stamp(startMs).slice(0, 10).replaceAll('-', '')}`;

export async function createPartitions(
  client: PoolClient,
  level: Level,
  starts: number[],
): Promise<void> {
  await inSchemaLock(client, async () => {
    for (const start of starts) {
      const end = start + LEVELS[level].days * DAY_MS;
      await client.query(
        `CREATE TABLE IF NOT EXISTS ${partitionName(level, start)} PARTITION OF ${level}
         FOR VALUES FROM ('${stamp(start)}') TO ('${stamp(end)}')`,
      );
    }
  });
}

/** Beginnings of the partitions there are, oldest first. */
export async function partitionStarts(client: PoolClient, level: Level): Promise<number[]> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass ORDER BY 1',
    [level],
  );
  return rows.map(({ name }) => {
    const day = name.slice(level.length + 1);
    return Date.UTC(Number(day.slice(0, 4)), Number(day.slice(4, 6)) - 1, Number(day.slice(6, 8)));
  });
}

export async function dropPartition(
  client: PoolClient,
  level: Level,
  startMs: number,
): Promise<void> {
  await client.query(`DROP TABLE IF EXISTS ${partitionName(level, startMs)}`);
}
