import pg from 'pg';
import { type Logger, TwowattError } from '../../../core/index.ts';
import {
  type BoardRecord,
  MOST_SERIES_POINTS,
  SERIES_FIELDS,
  SERIES_FIELD_NAMES,
} from '../../../protocol/fleet/index.ts';
import { type FleetRow, stepFor, toFleetSeries } from '../points.ts';
import type { DocumentKind, FleetStore, Sample, StoredDocument } from '../types.ts';
import { createLeadership } from './leadership.ts';
import { dropOld, LATENESS_MS, rollUpSome } from './rollups.ts';
import { COLUMNS, createPartitions, LEVEL_NAMES, partitionStart, prepareSchema } from './schema.ts';
import { readSeries } from './series.ts';

const HOUR_MS = 3_600_000;
const CONNECTIONS = 6;
const CONNECT_MS = 10_000;

const arrayType = (field: (typeof SERIES_FIELD_NAMES)[number]) =>
  SERIES_FIELDS[field].kind === 'flag' ? 'smallint[]' : 'float8[]';
/** One statement for a whole batch; what is there already stays. */
const INSERT = `INSERT INTO sample (node_id, t, ${COLUMNS.join(', ')})
  SELECT * FROM (SELECT u.a, to_timestamp(u.b / 1000.0), ${COLUMNS.map((_, i) => `u.c${i}`).join(', ')}
  FROM unnest($1::integer[], $2::float8[], ${SERIES_FIELD_NAMES.map((field, i) => `$${i + 3}::${arrayType(field)}`).join(', ')})
  AS u(a, b, ${COLUMNS.map((_, i) => `c${i}`).join(', ')})) AS rows ON CONFLICT DO NOTHING`;

/** Connects and makes the tables. Rejects with `internal` when the server cannot be reached or refuses. */
export async function openPostgresStore(
  url: string,
  logger: Logger,
  now: () => number,
): Promise<FleetStore> {
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    application_name: 'twowatt-fleet',
  });
  // An idle connection that breaks (the database restarts) is replaced at the next query.
  pool.on('error', (error) => logger.warn({ error: error.message }, 'PostgreSQL went away'));
  const ids = new Map<string, number>();
  const known = new Set<number>();
  const leadership = createLeadership(pool);

  const withClient = async <T>(body: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
    let client: pg.PoolClient;
    try {
      client = await pool.connect();
    } catch (error) {
      throw new TwowattError('internal', `PostgreSQL cannot be reached: ${String(error)}`, {
        cause: error,
      });
    }
    try {
      return await body(client);
    } finally {
      client.release();
    }
  };

  const idsOf = async (client: pg.PoolClient, nodes: string[]): Promise<void> => {
    const missing = [...new Set(nodes)].filter((node) => !ids.has(node)).sort();
    if (missing.length === 0) return;
    await client.query(
      'INSERT INTO node (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO NOTHING',
      [missing],
    );
    const { rows } = await client.query<{ id: number; name: string }>(
      'SELECT id, name FROM node WHERE name = ANY($1)',
      [missing],
    );
    for (const { id, name } of rows) ids.set(name, id);
  };

  const insertSamples = async (client: pg.PoolClient, samples: Sample[]): Promise<void> => {
    await idsOf(
      client,
      samples.map(({ node }) => node),
    );
    const starts = [...new Set(samples.map(({ tMs }) => partitionStart('sample', tMs)))];
    const fresh = starts.filter((start) => !known.has(start));
    if (fresh.length > 0) {
      await createPartitions(client, 'sample', fresh);
      for (const start of fresh) known.add(start);
    }
    const late = [
      ...new Set(
        samples
          .filter(({ tMs }) => tMs < now() - LATENESS_MS + 60_000)
          .map(({ tMs }) => Math.floor(tMs / HOUR_MS) * HOUR_MS),
      ),
    ];
    await client.query({
      name: 'insert-samples',
      text: INSERT,
      values: [
        samples.map(({ node }) => ids.get(node) ?? 0),
        samples.map(({ tMs }) => tMs),
        ...SERIES_FIELD_NAMES.map((_, field) => samples.map(({ values }) => values[field] ?? null)),
      ],
    });
    if (late.length > 0) {
      await client.query(
        'INSERT INTO late_hour SELECT to_timestamp(unnest($1::float8[]) / 1000.0) ON CONFLICT DO NOTHING',
        [late],
      );
    }
  };

  try {
    await withClient(prepareSchema);
  } catch (error) {
    await pool.end();
    throw error;
  }

  return {
    kind: 'postgres',
    async write(samples) {
      if (samples.length === 0) return;
      try {
        await withClient((client) => insertSamples(client, samples));
      } catch {
        // Another server may have dropped a partition or a board that this one still remembers.
        known.clear();
        ids.clear();
        await withClient((client) => insertSamples(client, samples));
      }
    },
    async loadBoards() {
      const { rows } = await pool.query<{ record: string }>(
        'SELECT record FROM node WHERE record IS NOT NULL',
      );
      return rows.map(({ record }) => JSON.parse(record) as BoardRecord);
    },
    async saveBoards(boards) {
      // In one order everywhere, or two servers would lock each other out.
      const sorted = boards.toSorted((a, b) => (a.node < b.node ? -1 : 1));
      await pool.query(
        'INSERT INTO node (name, record) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT (name) DO UPDATE SET record = excluded.record',
        [sorted.map(({ node }) => node), sorted.map((board) => JSON.stringify(board))],
      );
    },
    async removeBoard(node) {
      await withClient(async (client) => {
        const { rows } = await client.query<{ id: number }>(
          'DELETE FROM node WHERE name = $1 RETURNING id',
          [node],
        );
        ids.delete(node);
        for (const level of rows[0] === undefined ? [] : LEVEL_NAMES) {
          await client.query(`DELETE FROM ${level} WHERE node_id = $1`, [rows[0]?.id]);
        }
      });
    },
    series: (query) =>
      withClient(async (client) => {
        const { rows } = await client.query<{ id: number }>('SELECT id FROM node WHERE name = $1', [
          query.node,
        ]);
        return readSeries(client, rows[0]?.id, query);
      }),
    async writeFleet({ tMs, online, offline, stale, watts, tokensPerS }) {
      await pool.query(
        'INSERT INTO fleet_sample VALUES (to_timestamp($1 / 1000.0), $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING',
        [tMs, online, offline, stale, watts, tokensPerS],
      );
    },
    async fleetSeries({ fromMs, toMs, stepMs: wanted }) {
      const stepMs = Math.max(wanted, stepFor(toMs - fromMs, MOST_SERIES_POINTS));
      const { rows } = await pool.query<FleetRow>(
        `SELECT (floor(extract(epoch FROM t) * 1000 / $1) * $1)::float8 AS t, avg(online)::float8 AS online, avg(offline)::float8 AS offline,
           avg(stale)::float8 AS stale, avg(watts)::float8 AS watts, avg(tokens_per_s)::float8 AS tokens_per_s
         FROM fleet_sample WHERE t >= to_timestamp($2 / 1000.0) AND t < to_timestamp($3 / 1000.0) GROUP BY 1 ORDER BY 1`,
        [stepMs, fromMs, toMs],
      );
      return toFleetSeries(rows, { fromMs, toMs, stepMs });
    },
    async document(kind, id) {
      const { rows } = await pool.query<DocumentRow>(
        'SELECT id, updated_ms, body FROM document WHERE kind = $1 AND id = $2',
        [kind, id],
      );
      return rows[0] && toDocument(rows[0]);
    },
    async documents(kind, { limit = 100_000, sinceMs = -1 } = {}) {
      const { rows } = await pool.query<DocumentRow>(
        'SELECT id, updated_ms, body FROM document WHERE kind = $1 AND updated_ms > $2 ORDER BY updated_ms DESC, id LIMIT $3',
        [kind, sinceMs, limit],
      );
      return rows.map(toDocument);
    },
    async putDocument(kind: DocumentKind, id, body, nowMs) {
      await pool.query(
        'INSERT INTO document VALUES ($1, $2, $3, $4) ON CONFLICT (kind, id) DO UPDATE SET updated_ms = excluded.updated_ms, body = excluded.body',
        [kind, id, nowMs, JSON.stringify(body)],
      );
    },
    async deleteDocument(kind, id) {
      const { rowCount } = await pool.query('DELETE FROM document WHERE kind = $1 AND id = $2', [
        kind,
        id,
      ]);
      return rowCount === 1;
    },
    async expireDocuments(kind, beforeMs) {
      const { rowCount } = await pool.query(
        'DELETE FROM document WHERE kind = $1 AND updated_ms < $2',
        [kind, beforeMs],
      );
      return rowCount ?? 0;
    },
    async appendAudit({ at_ms: at, user, from, what, text, detail }) {
      await pool.query(
        'INSERT INTO audit (at_ms, "user", "from", what, text, detail) VALUES ($1, $2, $3, $4, $5, $6)',
        [at, user, from, what, text, JSON.stringify(detail ?? null)],
      );
    },
    async audit({ limit, beforeId = Number.MAX_SAFE_INTEGER }) {
      const { rows } = await pool.query<AuditRow>(
        'SELECT id, at_ms, "user", "from", what, text, detail FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2',
        [beforeId, limit],
      );
      return rows.map(({ id, at_ms: at, user, from, what, text, detail }) => ({
        id: Number(id),
        at_ms: Number(at),
        user,
        from,
        what,
        text,
        detail: JSON.parse(detail) as unknown,
      }));
    },
    async maintain(nowMs, settings) {
      const began = performance.now();
      return withClient(async (client) => {
        const rolledUp = await rollUpSome(client, nowMs);
        const dropped = await dropOld(client, nowMs, settings);
        return { rolledUp, dropped, tookMs: performance.now() - began };
      });
    },
    leads: () => leadership.leads(),
    async sizeBytes() {
      const { rows } = await pool.query<{ bytes: string }>(
        'SELECT pg_database_size(current_database()) AS bytes',
      );
      return Number(rows[0]?.bytes ?? 0);
    },
    async close() {
      leadership.release();
      await pool.end();
    },
  };
}

type DocumentRow = { id: string; updated_ms: string; body: string };
type AuditRow = {
  id: string;
  at_ms: string;
  user: string;
  from: string;
  what: string;
  text: string;
  detail: string;
};

const toDocument = ({ id, updated_ms: updated, body }: DocumentRow): StoredDocument => ({
  id,
  updatedMs: Number(updated),
  body: JSON.parse(body) as unknown,
});
