import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../src/core/index.ts';
import { createPlant } from '../../src/fleet/simulate/plant.ts';
import { openStore, sampleValues, type Sample } from '../../src/fleet/store/index.ts';
import { startPostgres } from '../../test/fakes/postgres.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** What a board does by default: every 30 s while it answers, every 300 s while it idles. */
const BUSY_S = 30;
const IDLE_S = 300;
const QUERIES = 30;
const SETTINGS = { raw_days: 30, minute_days: 60, hour_days: 730, forget_days: 0 };

const percentile = (values: number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? 0;

/**
 * Days of many boards, written straight into the store (the broker would make an hour of it), rolled up as
 * they go; then what a page asks for.
 */
export async function benchHistory(kind: 'sqlite' | 'postgres', boards: number, days: number) {
  const folder = mkdtempSync(join(tmpdir(), 'twowatt-bench-fleet-'));
  const cluster = kind === 'postgres' ? await startPostgres() : undefined;
  const path = join(folder, 'fleet.sqlite');
  const where = cluster === undefined ? path : await cluster.database();
  const end = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  let now = end - days * DAY_MS;
  const store = await openStore(where, silentLogger, () => now);
  try {
    const plants = Array.from({ length: boards }, (_, i) => ({
      node: `sim-${i}`,
      plant: createPlant(`sim-${i}`, i),
      dueMs: now + (i % IDLE_S) * 1000,
      lastMs: now,
    }));
    let rows = 0;
    let writeMs = 0;
    let rollMs = 0;
    const timed = async (body: () => Promise<unknown>) => {
      const began = performance.now();
      await body();
      return performance.now() - began;
    };
    for (; now < end;) {
      const upTo = now + HOUR_MS;
      let batch: Sample[] = [];
      for (const each of plants) {
        while (each.dueMs < upTo) {
          const telemetry = each.plant.step((each.dueMs - each.lastMs) / 1000, each.dueMs);
          each.lastMs = each.dueMs;
          batch.push({ node: each.node, tMs: each.dueMs, values: sampleValues(telemetry) });
          each.dueMs += (telemetry.engine.state === 'busy' ? BUSY_S : IDLE_S) * 1000;
        }
        if (batch.length >= 2000) {
          const full = batch;
          batch = [];
          rows += full.length;
          writeMs += await timed(() => store.write(full));
        }
      }
      rows += batch.length;
      const rest = batch;
      writeMs += await timed(() => store.write(rest));
      now = upTo;
      rollMs += await timed(async () => {
        while ((await store.maintain(now, SETTINGS)).rolledUp > 0);
      });
    }
    now += HOUR_MS;
    rollMs += await timed(async () => {
      while ((await store.maintain(now, SETTINGS)).rolledUp > 0);
    });
    const query = async (
      fields: ('thermal.soc_c' | 'power.board_w')[],
      lengthMs: number,
      stepMs: number,
    ) => {
      const took: number[] = [];
      let points = 0;
      for (let i = 0; i < QUERIES; i += 1) {
        const node = `sim-${Math.floor((i * boards) / QUERIES)}`;
        const toMs = end - (i % days) * DAY_MS;
        const fromMs = Math.max(toMs - lengthMs, end - days * DAY_MS);
        took.push(
          await timed(async () => {
            points = (await store.series({ node, fields, fromMs, toMs, stepMs })).t_ms.length;
          }),
        );
      }
      return {
        median_ms: Math.round(percentile(took, 0.5)),
        p95_ms: Math.round(percentile(took, 0.95)),
        points,
      };
    };
    const bytes = kind === 'sqlite' ? statSync(path).size : ((await store.sizeBytes()) ?? 0);
    return {
      store: kind,
      boards,
      days,
      rows,
      megabytes: Math.round(bytes / 1e6),
      bytes_per_row: Math.round((bytes / rows) * 10) / 10,
      write_rows_per_s: Math.round(rows / (writeMs / 1000)),
      roll_up_ms_per_board_day: Math.round((rollMs / boards / days) * 100) / 100,
      day_as_it_came: await query(['thermal.soc_c', 'power.board_w'], DAY_MS, 0),
      week_by_the_minute: await query(['thermal.soc_c', 'power.board_w'], 7 * DAY_MS, 120_000),
      week_by_the_hour: await query(['thermal.soc_c', 'power.board_w'], 7 * DAY_MS, HOUR_MS),
    };
  } finally {
    await store.close();
    await cluster?.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
