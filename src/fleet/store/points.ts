import type {
  FleetSeriesResponse,
  SeriesColumn,
  SeriesField,
  SeriesResponse,
  SeriesSource,
} from '../../protocol/fleet/index.ts';
import {
  isSeriesField,
  MOST_SERIES_POINTS,
  SERIES_FIELD_NAMES,
} from '../../protocol/fleet/index.ts';
import type { SeriesQuery } from './types.ts';
import { KINDS } from './values.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Longer ranges are not read as they came, whatever was asked for. */
const LONGEST_RAW_MS = 48 * HOUR_MS;
const SOURCES: readonly SeriesSource[] = ['raw', 'minute', 'hour'];

/** A value over some time: `n` reports with this mean, least and greatest; a counter's is its greatest. */
export type Aggregate = { n: number; mean: number; min: number; max: number };

/** Reports or buckets of one board, oldest first, for the fields that were asked for. */
export type Point = { tMs: number; values: (Aggregate | null)[] };

/** Puts points into steps: gauges are averaged by their number of reports, of counters the greatest stays. */
function bin(points: Iterable<Point>, fields: SeriesField[], stepMs: number): Point[] {
  const kinds = fields.map((field) => KINDS[SERIES_FIELD_NAMES.indexOf(field)]);
  const bins = new Map<number, Point>();
  for (const point of points) {
    const tMs = Math.floor(point.tMs / stepMs) * stepMs;
    const known = bins.get(tMs);
    if (known === undefined) {
      bins.set(tMs, { tMs, values: point.values.map((value) => value && { ...value }) });
      continue;
    }
    for (const [index, value] of point.values.entries()) {
      if (value === null) continue;
      const sum = known.values[index];
      if (sum === null || sum === undefined) known.values[index] = { ...value };
      else if (kinds[index] === 'counter') Object.assign(sum, value.max > sum.max ? value : sum);
      else {
        sum.mean = (sum.mean * sum.n + value.mean * value.n) / (sum.n + value.n);
        sum.n += value.n;
        sum.min = Math.min(sum.min, value.min);
        sum.max = Math.max(sum.max, value.max);
      }
    }
  }
  return [...bins.values()].sort((a, b) => a.tMs - b.tMs);
}

const tidy = (value: number) => Number(value.toPrecision(7));

function toColumns(
  points: readonly Point[],
  fields: SeriesField[],
): Partial<Record<SeriesField, SeriesColumn>> {
  const pick = (index: number, key: 'mean' | 'min' | 'max') =>
    points.map(({ values }) => {
      const value = values[index]?.[key];
      return value === undefined ? null : Number.isInteger(value) ? value : tidy(value);
    });
  return Object.fromEntries(
    fields.map((field, index) => [
      field,
      { mean: pick(index, 'mean'), min: pick(index, 'min'), max: pick(index, 'max') },
    ]),
  );
}

/** The fleet at one moment, or on average over a step. */
export type FleetRow = Record<
  't' | 'online' | 'offline' | 'stale' | 'watts' | 'tokens_per_s',
  number
>;

/** Rows of the fleet's history as the API has them, a list for each field. */
export function toFleetSeries(
  rows: FleetRow[],
  range: { fromMs: number; toMs: number; stepMs: number },
): FleetSeriesResponse {
  return {
    from_ms: range.fromMs,
    to_ms: range.toMs,
    step_ms: range.stepMs,
    t_ms: rows.map(({ t }) => t),
    online: rows.map(({ online }) => online),
    offline: rows.map(({ offline }) => offline),
    stale: rows.map(({ stale }) => stale),
    watts: rows.map(({ watts }) => watts),
    tokens_per_s: rows.map(({ tokens_per_s }) => tokens_per_s),
  };
}

/** The shortest step, whole seconds, at which a range has at most `most` points. */
export const stepFor = (rangeMs: number, most: number): number =>
  Math.max(1000, Math.ceil(rangeMs / most / 1000) * 1000);

/** What of a board's history answers a query: fields that have one, and the level of detail (0 raw, 1 minute, 2 hour). */
export type SeriesPlan = {
  fields: SeriesField[];
  level: number;
  stepMs: number;
  shortestMs: number;
};

/** A step of 0 is served as it came where reports are few enough, which is known only after reading. */
export function planSeries({ fields, fromMs, toMs, stepMs: wanted }: SeriesQuery): SeriesPlan {
  const shortestMs = stepFor(toMs - fromMs, MOST_SERIES_POINTS);
  const tooLong = wanted === 0 && toMs - fromMs > LONGEST_RAW_MS;
  const stepMs = wanted === 0 && !tooLong ? 0 : Math.max(wanted, shortestMs);
  const finest = tooLong ? 1 : 0;
  const level = stepMs >= HOUR_MS ? 2 : stepMs >= MINUTE_MS ? 1 : finest;
  return { fields: fields.filter(isSeriesField), level, stepMs, shortestMs };
}

/** The points that were read for a plan, in the order of time, as the API has them. */
export function answerSeries(
  { node, fromMs, toMs }: SeriesQuery,
  { fields, level, stepMs: planned, shortestMs }: SeriesPlan,
  read: Point[],
): SeriesResponse {
  const stepMs = planned === 0 && read.length > MOST_SERIES_POINTS ? shortestMs : planned;
  const points = stepMs > 0 ? bin(read, fields, stepMs) : read;
  return {
    node,
    from_ms: fromMs,
    to_ms: toMs,
    step_ms: stepMs,
    source: SOURCES[level] ?? 'raw',
    t_ms: points.map(({ tMs }) => tMs),
    fields: toColumns(points, fields),
  };
}
