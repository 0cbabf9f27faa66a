import type { PoolClient } from 'pg';
import {
  SERIES_FIELDS,
  type SeriesField,
  type SeriesResponse,
} from '../../../protocol/fleet/index.ts';
import { answerSeries, planSeries, type Point } from '../points.ts';
import type { SeriesQuery } from '../types.ts';
import { readWatermarks } from './rollups.ts';
import { columnOf, type Level, partitionStarts } from './schema.ts';

type Part = { level: Level; fromMs: number; toMs: number };

/** Which level answers for which part of the range: the wanted one, the finer where it is not there yet, the coarser where it is gone. */
function parts(
  wanted: number,
  query: SeriesQuery,
  edges: { rawFrom: number; minuteFrom: number; minuteTo: number; hourTo: number },
): Part[] {
  const { fromMs, toMs } = query;
  const bounds: [Level, number, number][] =
    wanted === 0
      ? [
          ['sample_hour', 0, Math.min(edges.minuteFrom, edges.rawFrom)],
          ['sample_minute', edges.minuteFrom, edges.rawFrom],
          ['sample', edges.rawFrom, toMs],
        ]
      : wanted === 1
        ? [
            ['sample_hour', 0, edges.minuteFrom],
            ['sample_minute', edges.minuteFrom, edges.minuteTo],
            ['sample', edges.minuteTo, toMs],
          ]
        : [
            ['sample_hour', 0, edges.hourTo],
            ['sample_minute', edges.hourTo, edges.minuteTo],
            ['sample', edges.minuteTo, toMs],
          ];
  return bounds
    .map(([level, from, to]) => ({
      level,
      fromMs: Math.max(from, fromMs),
      toMs: Math.min(to, toMs),
    }))
    .filter((part) => part.fromMs < part.toMs);
}

function selectSql(level: Level, fields: SeriesField[]): string {
  const columns = fields.flatMap((field, index) => {
    const name = columnOf(field);
    const gauge = level !== 'sample' && SERIES_FIELDS[field].kind === 'gauge';
    return [
      `${name} AS mean${index}`,
      `${gauge ? `${name}_min` : name} AS min${index}`,
      `${gauge ? `${name}_max` : name} AS max${index}`,
    ];
  });
  return `SELECT round(extract(epoch FROM t) * 1000)::float8 AS t, ${level === 'sample' ? '1' : 'n'} AS n, ${columns.join(', ')}
    FROM ${level} WHERE node_id = $1 AND t >= to_timestamp($2 / 1000.0) AND t < to_timestamp($3 / 1000.0) ORDER BY t`;
}

export async function readSeries(
  client: PoolClient,
  nodeId: number | undefined,
  query: SeriesQuery,
): Promise<SeriesResponse> {
  const plan = planSeries(query);
  const { fields, level } = plan;
  const points: Point[] = [];
  if (nodeId !== undefined) {
    const marks = await readWatermarks(client);
    const [rawFrom = 0] = await partitionStarts(client, 'sample');
    const [minuteFrom = Number.MAX_SAFE_INTEGER] = await partitionStarts(client, 'sample_minute');
    const edges = { rawFrom, minuteFrom, minuteTo: marks.minute, hourTo: marks.hour };
    for (const part of parts(level, query, edges)) {
      const { rows } = await client.query<Record<string, number | null>>(
        selectSql(part.level, fields),
        [nodeId, part.fromMs, part.toMs],
      );
      for (const row of rows) points.push(toPoint(row, fields, part.level !== 'sample'));
    }
  }
  return answerSeries(query, plan, points);
}

function toPoint(
  row: Record<string, number | null>,
  fields: SeriesField[],
  rolled: boolean,
): Point {
  const n = row['n'] ?? 1;
  return {
    tMs: row['t'] ?? 0,
    values: fields.map((field, index) => {
      const mean = row[`mean${index}`] ?? null;
      if (mean === null) return null;
      if (rolled && SERIES_FIELDS[field].kind === 'flag') {
        return { n, mean, min: mean === 1 ? 1 : 0, max: mean > 0 ? 1 : 0 };
      }
      return { n, mean, min: row[`min${index}`] ?? mean, max: row[`max${index}`] ?? mean };
    }),
  };
}
