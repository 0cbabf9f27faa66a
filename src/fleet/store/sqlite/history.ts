import type { DatabaseSync } from 'node:sqlite';
import {
  type FleetSettings,
  SERIES_FIELD_NAMES,
  type SeriesResponse,
} from '../../../protocol/fleet/index.ts';
import { answerSeries, planSeries, type Point } from '../points.ts';
import type { MaintenanceReport, SeriesQuery } from '../types.ts';
import { quantise, restore } from '../values.ts';
import { decodeColumns, decodeRow, encodeColumns, encodeRow } from './codec.ts';
import { type Bucket, bucketsOf, bucketValue, packBuckets, unpackBuckets } from './rollup.ts';

const WIDTH = SERIES_FIELD_NAMES.length;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Reports that come later than this after the end of their hour are packed in a second time. */
const LATENESS_MS = 5 * MINUTE_MS;
/** Boards per call of `maintain`, so that writes and queries get in between. */
const BOARDS_PER_PASS = 50;
const CHUNKS_PER_PASS = 2000;

const RAW = 0;
const BY_MINUTE = 1;
const BY_HOUR = 2;
/** Each level's blobs begin at whole multiples of this. */
const SPAN_MS = [HOUR_MS, HOUR_MS, DAY_MS] as const;

export type PackedSamples = { nodes: string[]; t: Float64Array; values: Float64Array };
type RawRow = { t: number; values: (number | null)[] };

/** Samples, roll-ups and what is asked of them; everything synchronous, on the worker's thread. */
export function createHistory(db: DatabaseSync) {
  const insert = db.prepare('INSERT OR IGNORE INTO hot (node, t, v) VALUES (?, ?, ?)');
  const addNode = db.prepare('INSERT OR IGNORE INTO node (name) VALUES (?)');
  const findNode = db.prepare('SELECT id FROM node WHERE name = ?');
  const hotRows = db.prepare('SELECT t, v FROM hot WHERE node = ? AND t >= ? AND t < ? ORDER BY t');
  const dropHot = db.prepare('DELETE FROM hot WHERE node = ? AND t < ?');
  const chunks = db.prepare(
    'SELECT start, rows FROM chunk WHERE level = ? AND node = ? AND start >= ? AND start < ? ORDER BY start',
  );
  const oldest = db.prepare('SELECT min(start) AS start FROM chunk WHERE level = ? AND node = ?');
  const putChunk = db.prepare(
    'INSERT INTO chunk (level, node, start, rows) VALUES (?, ?, ?, ?) ON CONFLICT (level, node, start) DO UPDATE SET rows = excluded.rows',
  );
  const ids = new Map<string, number>();

  const idOf = (name: string): number | undefined => {
    const known = ids.get(name) ?? (findNode.get(name) as { id: number } | undefined)?.id;
    if (known !== undefined) ids.set(name, known);
    return known;
  };
  const makeId = (name: string): number => {
    const known = idOf(name);
    if (known !== undefined) return known;
    addNode.run(name);
    const { id } = findNode.get(name) as { id: number };
    ids.set(name, id);
    return id;
  };
  const transaction = <T>(body: () => T): T => {
    db.exec('BEGIN IMMEDIATE');
    try {
      const result = body();
      db.exec('COMMIT');
      return result;
    } catch (error) {
      db.exec('ROLLBACK');
      // Ids of nodes that this transaction made are gone with it.
      ids.clear();
      throw error;
    }
  };

  const readHot = (node: number, fromMs: number, toMs: number): RawRow[] =>
    (hotRows.all(node, fromMs, toMs) as { t: number; v: Uint8Array }[]).map(({ t, v }) => ({
      t,
      values: decodeRow(v, WIDTH),
    }));
  const readChunks = (level: number, node: number, fromMs: number, toMs: number) => {
    const span = SPAN_MS[level] ?? HOUR_MS;
    const from = Math.floor(fromMs / span) * span;
    return chunks.all(level, node, from, toMs) as { start: number; rows: Uint8Array }[];
  };
  const unpackRaw = (rows: Uint8Array): RawRow[] => {
    const [times = [], ...columns] = decodeColumns(rows);
    return times.map((t, index) => ({
      t: t ?? 0,
      values: columns.map((column) => column[index] ?? null),
    }));
  };
  const packRaw = (rows: RawRow[]): Buffer =>
    encodeColumns([
      rows.map(({ t }) => t),
      ...Array.from({ length: WIDTH }, (_, c) => rows.map(({ values }) => values[c] ?? null)),
    ]);

  /** A board's hour, with what came late, as blobs of all three levels. */
  function packHour(node: number, start: number, fresh: RawRow[]): void {
    const [known] = readChunks(RAW, node, start, start + 1);
    const byTime = new Map((known ? unpackRaw(known.rows) : []).map((row) => [row.t, row]));
    for (const row of fresh) byTime.set(row.t, row);
    const rows = [...byTime.values()].sort((a, b) => a.t - b.t);
    putChunk.run(RAW, node, start, packRaw(rows));
    const minutes = bucketsOf(rows, MINUTE_MS);
    // What came as it was is gone after a while; late rows are then added to the minutes that are left.
    const [old] = known === undefined ? readChunks(BY_MINUTE, node, start, start + 1) : [];
    const merged = old === undefined ? minutes : mergeBuckets(unpackBuckets(old.rows), minutes);
    putChunk.run(BY_MINUTE, node, start, packBuckets(merged));
    const day = Math.floor(start / DAY_MS) * DAY_MS;
    const [hours] = readChunks(BY_HOUR, node, day, day + 1);
    const hour = bucketsOf(rows, HOUR_MS);
    putChunk.run(
      BY_HOUR,
      node,
      day,
      packBuckets(mergeBuckets(hours === undefined ? [] : unpackBuckets(hours.rows), hour)),
    );
  }

  function packBoard(node: number, cutoff: number): number {
    const rows = readHot(node, 0, cutoff);
    const hours = Map.groupBy(rows, ({ t }) => Math.floor(t / HOUR_MS) * HOUR_MS);
    for (const [start, group] of hours) packHour(node, start, group);
    if (rows.length > 0) dropHot.run(node, cutoff);
    return rows.length;
  }

  const rawPoint = ({ t, values }: RawRow, fields: number[]): Point => ({
    tMs: t,
    values: fields.map((field) => {
      const stored = values[field];
      if (stored === null || stored === undefined) return null;
      const value = restore(stored, field);
      return { n: 1, mean: value, min: value, max: value };
    }),
  });
  const bucketPoint = (bucket: Bucket, fields: number[]): Point => ({
    tMs: bucket.t,
    values: fields.map((field) => bucketValue(bucket, field)),
  });

  /** Points of a range from one level, its older part from coarser ones where it is gone there. */
  function collect(
    level: number,
    node: number,
    fields: number[],
    fromMs: number,
    toMs: number,
  ): Point[] {
    if (fromMs >= toMs || level > BY_HOUR) return [];
    const { start: first } = oldest.get(level, node) as { start: number | null };
    const begins = first === null ? toMs : Math.min(Math.max(first, fromMs), toMs);
    const older = collect(level + 1, node, fields, fromMs, begins);
    const here = readChunks(level, node, begins, toMs).flatMap(({ rows }) =>
      level === RAW
        ? unpackRaw(rows).map((row) => rawPoint(row, fields))
        : unpackBuckets(rows).map((bucket) => bucketPoint(bucket, fields)),
    );
    return [...older, ...here.filter(({ tMs }) => tMs >= begins && tMs < toMs)];
  }

  let cursor = 0;

  return {
    write({ nodes, t, values }: PackedSamples): void {
      transaction(() => {
        for (const [index, name] of nodes.entries()) {
          const row: (number | null)[] = [];
          for (let field = 0; field < WIDTH; field += 1) {
            const value = values[index * WIDTH + field] ?? Number.NaN;
            row.push(Number.isNaN(value) ? null : quantise(value, field));
          }
          insert.run(makeId(name), t[index] ?? 0, encodeRow(row));
        }
      });
    },

    series(query: SeriesQuery): SeriesResponse {
      const { fromMs, toMs, node } = query;
      const plan = planSeries(query);
      const indexes = plan.fields.map((field) => SERIES_FIELD_NAMES.indexOf(field));
      const id = idOf(node);
      let points: Point[] = [];
      if (id !== undefined) {
        points = collect(plan.level, id, indexes, fromMs, toMs);
        points.push(...readHot(id, fromMs, toMs).map((row) => rawPoint(row, indexes)));
        points.sort((a, b) => a.tMs - b.tMs);
      }
      return answerSeries(query, plan, points);
    },

    maintain(nowMs: number, settings: FleetSettings): Omit<MaintenanceReport, 'tookMs'> {
      const cutoff = Math.floor((nowMs - LATENESS_MS) / HOUR_MS) * HOUR_MS;
      const boards = db
        .prepare(
          'SELECT id FROM node WHERE id > ? AND EXISTS (SELECT 1 FROM hot WHERE node = id AND t < ?) ORDER BY id LIMIT ?',
        )
        .all(cursor, cutoff, BOARDS_PER_PASS) as { id: number }[];
      const rolledUp =
        boards.length === 0
          ? 0
          : transaction(() => boards.reduce((sum, { id }) => sum + packBoard(id, cutoff), 0));
      // From the beginning again once the last board was done.
      cursor = boards.length < BOARDS_PER_PASS ? 0 : (boards.at(-1)?.id ?? 0);
      const drop = db.prepare(
        'DELETE FROM chunk WHERE rowid IN (SELECT rowid FROM chunk WHERE level = ? AND start < ? LIMIT ?)',
      );
      const days = [settings.raw_days, settings.minute_days, settings.hour_days];
      let dropped = 0;
      for (const [level, keep] of days.entries()) {
        const before = nowMs - keep * DAY_MS - (SPAN_MS[level] ?? 0);
        dropped += Number(drop.run(level, before, CHUNKS_PER_PASS).changes);
      }
      db.prepare('DELETE FROM fleet WHERE t < ?').run(nowMs - settings.hour_days * DAY_MS);
      if (dropped > 0) db.exec('PRAGMA incremental_vacuum(2000)');
      return { rolledUp, dropped };
    },

    remove(name: string): void {
      const id = idOf(name);
      if (id === undefined) return;
      transaction(() => {
        db.prepare('DELETE FROM hot WHERE node = ?').run(id);
        const drop = db.prepare('DELETE FROM chunk WHERE level = ? AND node = ?');
        for (const level of [RAW, BY_MINUTE, BY_HOUR]) drop.run(level, id);
        db.prepare('DELETE FROM node WHERE id = ?').run(id);
      });
      ids.delete(name);
    },

    saveRecords(records: { node: string; text: string }[]): void {
      const save = db.prepare('UPDATE node SET record = ? WHERE id = ?');
      transaction(() => {
        for (const { node, text } of records) save.run(text, makeId(node));
      });
    },
  };
}

/** Later buckets replace earlier ones of the same time. */
function mergeBuckets(before: Bucket[], after: Bucket[]): Bucket[] {
  const byTime = new Map(before.map((bucket) => [bucket.t, bucket]));
  for (const bucket of after) byTime.set(bucket.t, bucket);
  return [...byTime.values()].sort((a, b) => a.t - b.t);
}
