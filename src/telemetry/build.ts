import type { EngineStatus, Telemetry } from '../protocol/index.ts';
import type { PipelineTotals } from '../service/index.ts';

/** A sensor's value, or why there is none; what the hardware room's readings look like from here. */
type SensorValue = { ok: true; value: number } | { ok: false; reason: string };

/** Everything a telemetry message is made of, as the rooms know it. */
export type TelemetryInputs = {
  /** Milliseconds since 1970. */
  wallMs: number;
  node: string;
  /** Name of the device profile; empty without one. */
  profile: string;
  uptimeS: number;
  /** Whether the time of day is known, and time since boot, by which receivers can date it later. */
  clock: { synchronised: boolean; bootId: string; bootMs: number };
  budgetW: number;
  scope: string;
  temperatureLimitC: number;
  /** °C. */
  socTemperature: SensorValue;
  throttled: string[];
  underVoltage: boolean | null;
  /** What the governor knows of power, watts in `scope`; null before there is an engine to govern. */
  governor: GovernorView | null;
  /** All that the sensor sees. */
  boardW: number | null;
  joulesPerToken: number | null;
  /** Of all answers since the start. */
  joulesTotal: number;
  engine: EngineStatus;
  slots: number;
  slotsBusy: number;
  queue: { depth: number; oldestMs: number };
  totals: PipelineTotals;
  /** Per million tokens; what the tokens of all answers would have cost elsewhere. */
  baseline: { priceIn: number; priceOut: number };
  currency: string;
  /** The machine around the daemon; what could not be read is null. */
  host: {
    cpuPct: number | null;
    memUsedBytes: number | null;
    memTotalBytes: number | null;
    diskFreeBytes: number | null;
    load1: number | null;
  };
};

/** The governor's decision as telemetry shows it. */
export type GovernorView = {
  state: Telemetry['governor']['state'];
  watts:
    | { ok: true; value: number; source: string; quality: string }
    | { ok: false; reason: string };
  means: { s1: number | null; s10: number | null; s60: number | null };
  idleW: number;
  stale: boolean;
  order: { threads: number; maxFreqKhz: number | null };
  duty: number;
  allowedTokensPerS: number;
};

const NOT_GOVERNING = 'no engine is being governed yet';

function round(value: number, digits: number): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}

const roundOrNull = (value: number | null, digits: number): number | null =>
  value === null ? null : round(value, digits);

function thermalPart(inputs: TelemetryInputs): Telemetry['thermal'] {
  const { socTemperature, temperatureLimitC } = inputs;
  return {
    soc_c: socTemperature.ok ? round(socTemperature.value, 1) : null,
    limit_c: temperatureLimitC,
    throttled: inputs.throttled,
    under_voltage: inputs.underVoltage,
    ...(socTemperature.ok ? {} : { reason: socTemperature.reason }),
  };
}

function powerPart(inputs: TelemetryInputs): Telemetry['power'] {
  const { governor } = inputs;
  const watts = governor?.watts ?? { ok: false as const, reason: NOT_GOVERNING };
  return {
    watts: watts.ok ? round(watts.value, 3) : null,
    mean_1s_w: roundOrNull(governor?.means.s1 ?? null, 3),
    mean_10s_w: roundOrNull(governor?.means.s10 ?? null, 3),
    mean_60s_w: roundOrNull(governor?.means.s60 ?? null, 3),
    budget_w: inputs.budgetW,
    scope: inputs.scope,
    source: watts.ok ? watts.source : null,
    measured: watts.ok && watts.quality === 'measured',
    stale: governor?.stale ?? false,
    board_w: roundOrNull(inputs.boardW, 3),
    idle_w: roundOrNull(governor?.idleW ?? null, 3),
    ...(watts.ok ? {} : { reason: watts.reason }),
  };
}

/** What all tokens would have cost at the baseline price, less what was spent. */
function savedCost(totals: PipelineTotals, { priceIn, priceOut }: TelemetryInputs['baseline']) {
  return (totals.promptTokens * priceIn + totals.answerTokens * priceOut) / 1e6 - totals.cost;
}

/** One telemetry message (contract section 5). Pure. What is not known is null with a reason. */
export function buildTelemetry(inputs: TelemetryInputs): Telemetry {
  const { engine, host, totals, governor } = inputs;
  return {
    v: 1,
    ts: new Date(inputs.wallMs).toISOString(),
    node: inputs.node,
    profile: inputs.profile,
    uptime_s: Math.floor(inputs.uptimeS),
    clock: {
      synchronised: inputs.clock.synchronised,
      boot: inputs.clock.bootId.slice(0, 8),
      boot_ms: Math.round(inputs.clock.bootMs),
    },
    power: powerPart(inputs),
    thermal: thermalPart(inputs),
    governor: {
      state: governor?.state ?? 'open',
      threads: engine.threads,
      max_freq_khz: governor?.order.maxFreqKhz ?? null,
      duty: round(governor?.duty ?? 1, 3),
      allowed_tokens_per_s: roundOrNull(governor?.allowedTokensPerS ?? null, 2),
    },
    engine: {
      state: engine.state,
      model: engine.model?.id ?? null,
      tokens_total: engine.tokensTotal,
      tokens_per_s: round(engine.tokensPerS, 2),
      joules_per_token: roundOrNull(inputs.joulesPerToken, 4),
      joules_total: round(inputs.joulesTotal, 2),
      slots_busy: inputs.slotsBusy,
      slots: inputs.slots,
      rss_bytes: engine.rssBytes,
      restarts: engine.restarts,
    },
    queue: {
      depth: inputs.queue.depth,
      oldest_ms: Math.round(inputs.queue.oldestMs),
      accepted_total: totals.accepted,
      completed_total: totals.completed,
      rejected_total: totals.rejected,
    },
    router: {
      edge_total: totals.edge,
      cloud_total: totals.cloud,
      escalated_total: totals.escalated,
      by_reason: totals.byReason,
      cloud_cost: round(totals.cost, 9),
      saved_cost: round(savedCost(totals, inputs.baseline), 9),
      currency: inputs.currency,
    },
    system: {
      cpu_pct: roundOrNull(host.cpuPct, 1),
      mem_used_bytes: host.memUsedBytes,
      mem_total_bytes: host.memTotalBytes,
      disk_free_bytes: host.diskFreeBytes,
      load1: roundOrNull(host.load1, 2),
    },
  };
}
