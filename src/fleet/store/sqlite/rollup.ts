import type { Aggregate } from '../points.ts';
import { KINDS, restore } from '../values.ts';
import { decodeColumns, encodeColumns } from './codec.ts';

/** Share of time that a flag held, in thousandths. */
const FLAG_UNITS = 1000;

type Triple = { mean: number; min: number; max: number };

/** What boards reported within one minute or hour, in whole multiples of each field's step. */
export type Bucket = { t: number; n: number; fields: (Triple | null)[] };

/** Rows in the order of time as buckets of `spanMs`. Of a counter only the greatest value counts. */
export function bucketsOf(
  rows: readonly { t: number; values: (number | null)[] }[],
  spanMs: number,
): Bucket[] {
  const groups = Map.groupBy(rows, ({ t }) => Math.floor(t / spanMs) * spanMs);
  return [...groups].map(([t, group]) => ({
    t,
    n: group.length,
    fields: KINDS.map((kind, field) => {
      const values = group
        .map(({ values: all }) => all[field] ?? null)
        .filter((value) => value !== null);
      if (values.length === 0) return null;
      const max = Math.max(...values);
      if (kind === 'counter') return { mean: max, min: max, max };
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return {
        mean: Math.round(kind === 'flag' ? mean * FLAG_UNITS : mean),
        min: Math.min(...values),
        max,
      };
    }),
  }));
}

/** A gauge takes three columns, counters and flags one: the rest follows from it. */
export function packBuckets(buckets: readonly Bucket[]): Buffer {
  const columns: (number | null)[][] = [buckets.map(({ t }) => t), buckets.map(({ n }) => n)];
  for (const [field, kind] of KINDS.entries()) {
    const triples = buckets.map(({ fields }) => fields[field] ?? null);
    columns.push(triples.map((triple) => triple?.mean ?? null));
    if (kind !== 'gauge') continue;
    columns.push(triples.map((triple) => triple && triple.mean - triple.min));
    columns.push(triples.map((triple) => triple && triple.max - triple.mean));
  }
  return encodeColumns(columns);
}

export function unpackBuckets(blob: Uint8Array): Bucket[] {
  const columns = decodeColumns(blob);
  const [times = [], counts = []] = columns;
  let column = 2;
  const places = KINDS.map((kind) => {
    const at = column;
    column += kind === 'gauge' ? 3 : 1;
    return at;
  });
  return times.map((t, row) => ({
    t: t ?? 0,
    n: counts[row] ?? 0,
    fields: KINDS.map((kind, field) => {
      const at = places[field] ?? 0;
      const mean = columns[at]?.[row] ?? null;
      if (mean === null) return null;
      if (kind === 'counter') return { mean, min: mean, max: mean };
      if (kind === 'flag') {
        return { mean, min: mean === FLAG_UNITS ? 1 : 0, max: mean > 0 ? 1 : 0 };
      }
      return {
        mean,
        min: mean - (columns[at + 1]?.[row] ?? 0),
        max: mean + (columns[at + 2]?.[row] ?? 0),
      };
    }),
  }));
}

/** One field of a bucket in its own unit. */
export function bucketValue(bucket: Bucket, field: number): Aggregate | null {
  const triple = bucket.fields[field];
  if (triple === null || triple === undefined) return null;
  return {
    n: bucket.n,
    mean: KINDS[field] === 'flag' ? triple.mean / FLAG_UNITS : restore(triple.mean, field),
    min: restore(triple.min, field),
    max: restore(triple.max, field),
  };
}
