import type { PoolClient } from 'pg';
import type { FleetSettings } from '../../../protocol/fleet/index.ts';
import {
  createPartitions,
  dropPartition,
  type Level,
  LEVEL_NAMES,
  LEVELS,
  partitionStart,
  partitionStarts,
  ROLLUP_COLUMNS,
} from './schema.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Reports that come later than this are rolled up a second time. */
export const LATENESS_MS = 5 * MINUTE_MS;

/** Up to where roll-ups are complete (exclusive), ms; 0 before the first. */
export type Watermarks = { minute: number; hour: number };

const names = ROLLUP_COLUMNS.map(({ name }) => name).join(', ');
const updates = ROLLUP_COLUMNS.map(({ name }) => `${name} = excluded.${name}`).join(', ');

const rollUp = (to: Level, from: Level, unit: 'minute' | 'hour'): string => {
  const fromRaw = from === 'sample';
  const values = ROLLUP_COLUMNS.map((column) => (fromRaw ? column.from : column.again)).join(', ');
  return `INSERT INTO ${to} (node_id, t, n, ${names})
    SELECT node_id, date_trunc('${unit}', t, 'UTC'), ${fromRaw ? 'count(*)' : 'sum(n)'}, ${values}
    FROM ${from} WHERE t >= to_timestamp($1 / 1000.0) AND t < to_timestamp($2 / 1000.0) GROUP BY 1, 2
    ON CONFLICT (node_id, t) DO UPDATE SET n = excluded.n, ${updates}`;
};
const TO_MINUTE = rollUp('sample_minute', 'sample', 'minute');
const TO_HOUR = rollUp('sample_hour', 'sample_minute', 'hour');

export async function readWatermarks(client: PoolClient): Promise<Watermarks> {
  const { rows } = await client.query<{ body: string }>(
    "SELECT body FROM document WHERE kind = 'setting' AND id = 'rolled-up'",
  );
  return rows[0] === undefined ? { minute: 0, hour: 0 } : (JSON.parse(rows[0].body) as Watermarks);
}

async function saveWatermarks(client: PoolClient, marks: Watermarks, nowMs: number) {
  await client.query(
    "INSERT INTO document VALUES ('setting', 'rolled-up', $1, $2) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body, updated_ms = excluded.updated_ms",
    [nowMs, JSON.stringify(marks)],
  );
}

/** One step of a roll-up in a transaction of its own, with the partitions that it needs. */
async function step(
  client: PoolClient,
  sql: string,
  to: Level,
  fromMs: number,
  toMs: number,
): Promise<number> {
  await createPartitions(client, to, [partitionStart(to, fromMs), partitionStart(to, toMs - 1)]);
  const { rowCount } = await client.query(sql, [fromMs, toMs]);
  return rowCount ?? 0;
}

/** An hour of minutes and a day of hours at most, then what came late. Returns 0 when nothing is left to do. */
export async function rollUpSome(client: PoolClient, nowMs: number): Promise<number> {
  const marks = await readWatermarks(client);
  const complete = Math.floor((nowMs - LATENESS_MS) / MINUTE_MS) * MINUTE_MS;
  const [first] = await partitionStarts(client, 'sample');
  if (first === undefined) return 0;
  let rows = 0;
  const fromMs = Math.max(marks.minute, first);
  if (fromMs < complete) {
    const toMs = Math.min(complete, Math.floor(fromMs / HOUR_MS) * HOUR_MS + HOUR_MS);
    rows += await step(client, TO_MINUTE, 'sample_minute', fromMs, toMs);
    marks.minute = toMs;
    // An hour without reports is progress as well.
    if (toMs < complete) rows += 1;
  }
  const hourFrom = Math.max(marks.hour, Math.floor(first / HOUR_MS) * HOUR_MS);
  const hourTo = Math.min(Math.floor(marks.minute / HOUR_MS) * HOUR_MS, hourFrom + DAY_MS);
  if (hourFrom < hourTo) {
    rows += await step(client, TO_HOUR, 'sample_hour', hourFrom, hourTo);
    marks.hour = hourTo;
  }
  await saveWatermarks(client, marks, nowMs);
  const late = await client.query<{ ms: string }>(
    'SELECT extract(epoch FROM t) * 1000 AS ms FROM late_hour WHERE t < to_timestamp($1 / 1000.0) ORDER BY t LIMIT 4',
    [marks.minute],
  );
  for (const { ms } of late.rows) {
    const start = Number(ms);
    // Deleted first: what comes while this runs is late anew.
    await client.query('DELETE FROM late_hour WHERE t = to_timestamp($1 / 1000.0)', [start]);
    if (start < first) continue;
    const end = Math.min(start + HOUR_MS, marks.minute);
    rows += await step(client, TO_MINUTE, 'sample_minute', start, end);
    if (start + HOUR_MS <= marks.hour) {
      rows += await step(client, TO_HOUR, 'sample_hour', start, start + HOUR_MS);
    }
  }
  return rows;
}

/** Whole partitions whose last moment is too old. Returns how many went. */
export async function dropOld(
  client: PoolClient,
  nowMs: number,
  settings: FleetSettings,
): Promise<number> {
  const marks = await readWatermarks(client);
  // What is not rolled up yet stays, however old.
  const safe = [marks.hour, marks.hour, nowMs];
  const days = [settings.raw_days, settings.minute_days, settings.hour_days];
  let dropped = 0;
  for (const [index, level] of LEVEL_NAMES.entries()) {
    const before = Math.min(nowMs - (days[index] ?? 0) * DAY_MS, safe[index] ?? 0);
    for (const start of await partitionStarts(client, level)) {
      if (start + LEVELS[level].days * DAY_MS > before) continue;
      await dropPartition(client, level, start);
      dropped += 1;
    }
  }
  await client.query('DELETE FROM fleet_sample WHERE t < to_timestamp($1 / 1000.0)', [
    nowMs - settings.hour_days * DAY_MS,
  ]);
  return dropped;
}
