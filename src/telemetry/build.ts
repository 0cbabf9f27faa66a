import type { EngineStatus, Telemetry } from '../protocol/index.ts';

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
  budgetW: number;
  scope: string;
  temperatureLimitC: number;
  /** °C. */
  socTemperature: SensorValue;
  engine: EngineStatus;
  slots: number;
  slotsBusy: number;
  queue: { depth: number; oldestMs: number };
  totals: { accepted: number; completed: number; rejected: number };
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

const NO_GOVERNOR = 'no governor in this version';

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
    throttled: [],
    under_voltage: null,
    ...(socTemperature.ok ? {} : { reason: socTemperature.reason }),
  };
}

/**
 * One telemetry message (contract section 5). Pure. Power is null with a reason until there is a
 * governor that measures it; every answer counts as the board's own until there is a router.
 */
export function buildTelemetry(inputs: TelemetryInputs): Telemetry {
  const { engine, host, totals } = inputs;
  return {
    v: 1,
    ts: new Date(inputs.wallMs).toISOString(),
    node: inputs.node,
    profile: inputs.profile,
    uptime_s: Math.floor(inputs.uptimeS),
    power: {
      watts: null,
      mean_1s_w: null,
      mean_10s_w: null,
      mean_60s_w: null,
      budget_w: inputs.budgetW,
      scope: inputs.scope,
      source: null,
      measured: false,
      stale: false,
      board_w: null,
      idle_w: null,
      reason: NO_GOVERNOR,
    },
    thermal: thermalPart(inputs),
    governor: {
      state: 'open',
      threads: engine.threads,
      max_freq_khz: null,
      duty: 1,
      allowed_tokens_per_s: null,
    },
    engine: {
      state: engine.state,
      model: engine.model?.id ?? null,
      tokens_total: engine.tokensTotal,
      tokens_per_s: round(engine.tokensPerS, 2),
      joules_per_token: null,
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
      edge_total: totals.completed,
      cloud_total: 0,
      escalated_total: 0,
      by_reason: {},
      cloud_cost: 0,
      saved_cost: 0,
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
