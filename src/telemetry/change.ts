import type { Telemetry } from '../protocol/index.ts';

const TEMPERATURE_STEP_C = 5;
const POWER_STEP_W = 0.25;
const MEMORY_STEP_SHARE = 0.1;
const DISK_STEP_SHARE = 0.2;

function moved(before: number | null, now: number | null, step: number): boolean {
  if (before === null || now === null) return before !== now;
  return Math.abs(now - before) >= step;
}

/** 0, 1, 3, 7, … are a step apart: the difference between 100 and 101 waiting prompts is no news. */
const doublings = (count: number): number => Math.log2(Math.max(0, count) + 1);

/** An engine that turns from one prompt to the next is not news either. */
const engineBucket = (state: Telemetry['engine']['state']): string =>
  state === 'busy' ? 'ready' : state;

/**
 * Whether `now` tells a reader something that `before`, the last message, did not. Distances count from
 * that message, so that a value at the edge of a step does not set off one after the other: each message
 * draws a new bucket around its values.
 */
export function isNews(before: Telemetry, now: Telemetry): boolean {
  const memoryStep = (now.system.mem_total_bytes ?? 0) * MEMORY_STEP_SHARE;
  const diskStep = (before.system.disk_free_bytes ?? 0) * DISK_STEP_SHARE;
  return (
    engineBucket(before.engine.state) !== engineBucket(now.engine.state) ||
    before.engine.model !== now.engine.model ||
    before.engine.restarts !== now.engine.restarts ||
    before.governor.state !== now.governor.state ||
    before.governor.threads !== now.governor.threads ||
    before.power.budget_w !== now.power.budget_w ||
    before.power.scope !== now.power.scope ||
    before.thermal.limit_c !== now.thermal.limit_c ||
    before.thermal.under_voltage !== now.thermal.under_voltage ||
    before.thermal.throttled.join() !== now.thermal.throttled.join() ||
    before.clock?.synchronised !== now.clock?.synchronised ||
    moved(doublings(before.queue.depth), doublings(now.queue.depth), 1) ||
    moved(before.thermal.soc_c, now.thermal.soc_c, TEMPERATURE_STEP_C) ||
    moved(before.power.mean_10s_w, now.power.mean_10s_w, POWER_STEP_W) ||
    moved(before.system.mem_used_bytes, now.system.mem_used_bytes, Math.max(1, memoryStep)) ||
    moved(before.system.disk_free_bytes, now.system.disk_free_bytes, Math.max(1, diskStep))
  );
}
