import type { HealthCondition, InfoMessage, Telemetry } from '../../protocol/index.ts';

/**
 * What a board reports, made up: load by the time of day, power by load, temperature by power with a time
 * constant, counters that grow with the answers. Plausible, not physical; `twowatt sim` is the real plant.
 */
export type BoardKind = {
  profile: string;
  idleW: number;
  busyW: number;
  tokensPerS: number;
  maxFreqKhz: number;
  memBytes: number;
  /** °C above ambient per watt. */
  thermalCPerW: number;
};

export const BOARD_KINDS: readonly BoardKind[] = [
  {
    profile: 'raspberry-pi-5',
    idleW: 2.7,
    busyW: 2.4,
    tokensPerS: 9,
    maxFreqKhz: 2_400_000,
    memBytes: 8_324_000_000,
    thermalCPerW: 6,
  },
  {
    profile: 'raspberry-pi-4b',
    idleW: 2.1,
    busyW: 2.2,
    tokensPerS: 3.2,
    maxFreqKhz: 1_800_000,
    memBytes: 3_980_000_000,
    thermalCPerW: 7,
  },
  {
    profile: 'raspberry-pi-zero-2-w',
    idleW: 0.7,
    busyW: 1.4,
    tokensPerS: 1.1,
    maxFreqKhz: 1_000_000,
    memBytes: 447_000_000,
    thermalCPerW: 14,
  },
  {
    profile: 'jetson-orin-nano',
    idleW: 4.3,
    busyW: 4.8,
    tokensPerS: 16,
    maxFreqKhz: 1_510_000,
    memBytes: 7_990_000_000,
    thermalCPerW: 3.5,
  },
];

export const DEFAULT_BUDGET_W = 2;
export const DEFAULT_LIMIT_C = 75;

const DAY_S = 86_400;
const THERMAL_TIME_S = 240;
/** Price of a million tokens that the cloud would have asked for. */
export const CLOUD_PRICE = 0.6;
const TOKENS_PER_ANSWER = 60;

/** Numbers from 0 to 1 that follow from the seed alone (mulberry32). */
export function createDice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const round = (value: number, digits: number) => Number(value.toFixed(digits));

export type Plant = {
  readonly kind: BoardKind;
  /** The board after `seconds` more, at this time of its own clock. */
  step(seconds: number, wallMs: number): Telemetry;
  info(version: string): InfoMessage;
  health(wallMs: number): HealthCondition[];
  /** What an operator may turn. */
  settings: { budgetW: number; limitC: number };
  model: string;
  draining: boolean;
  /** A fan that stopped: the board runs hot until it is mended. */
  fanStopped: boolean;
};

export function createPlant(node: string, seed: number): Plant {
  const dice = createDice(seed);
  const kind = BOARD_KINDS[seed % BOARD_KINDS.length] as BoardKind;
  const pool = ['kitchen', 'lab', 'hall', 'yard', 'office'][seed % 5] as string;
  const zoneS = Math.floor(dice() * 3) * 3600;
  const busyness = 0.15 + 0.7 * dice();
  const ambient = 18 + 10 * dice();
  let socC = ambient + kind.idleW * kind.thermalCPerW;
  let uptimeS = dice() * 400_000;
  let tokens = Math.floor(dice() * 1e6);
  const counts = { accepted: 0, completed: 0, rejected: 0, edge: 0, cloud: 0, escalated: 0 };

  const plant: Plant = {
    kind,
    settings: { budgetW: DEFAULT_BUDGET_W, limitC: DEFAULT_LIMIT_C },
    model: 'twowatt-nano',
    draining: false,
    fanStopped: false,
    step(seconds, wallMs) {
      uptimeS += seconds;
      const { budgetW, limitC } = plant.settings;
      // Most is asked by day; the night has a tenth of it.
      const hour = ((wallMs / 1000 + zoneS) % DAY_S) / 3600;
      const daily = 0.1 + 0.9 * Math.max(0, Math.sin(((hour - 6) / 16) * Math.PI)) ** 2;
      const load = plant.draining ? 0 : Math.min(1, busyness * daily * (0.6 + 0.8 * dice()));
      const busy = dice() < load;
      const hot = socC > limitC - 1;
      const duty = Math.min(1, budgetW / kind.busyW) * (hot ? 0.4 : 1);
      const above = busy ? kind.busyW * duty * (0.95 + 0.1 * dice()) : 0.02 * dice();
      const outdoors = ambient + 4 * Math.sin(((hour - 9) / 24) * 2 * Math.PI);
      const target =
        outdoors + (kind.idleW + above) * kind.thermalCPerW + (plant.fanStopped ? 25 : 0);
      socC += (target - socC) * (1 - Math.exp(-seconds / THERMAL_TIME_S));
      const rate = busy ? kind.tokensPerS * duty * (0.9 + 0.2 * dice()) : 0;
      const made = Math.round(rate * seconds * load);
      const answers = Math.round(made / TOKENS_PER_ANSWER);
      const toCloud = Math.round(answers * 0.12 * dice() * 2);
      tokens += made;
      counts.accepted += answers + toCloud;
      counts.completed += answers + toCloud;
      counts.edge += answers;
      counts.cloud += toCloud;
      counts.escalated += Math.round(toCloud * 0.3);
      const throttled = socC > 80 ? ['soft_temp'] : [];
      const depth = busy ? Math.floor(dice() * dice() * 6) : 0;
      const watts = round(above, 3);
      return {
        v: 1,
        ts: new Date(wallMs).toISOString(),
        node,
        profile: kind.profile,
        uptime_s: Math.floor(uptimeS),
        power: {
          watts,
          mean_1s_w: watts,
          mean_10s_w: round(above * (0.97 + 0.06 * dice()), 3),
          mean_60s_w: round(above * 0.98, 3),
          budget_w: budgetW,
          scope: 'above_idle',
          source: 'pmic',
          measured: true,
          stale: false,
          board_w: round(above + kind.idleW, 3),
          idle_w: kind.idleW,
        },
        thermal: { soc_c: round(socC, 1), limit_c: limitC, throttled, under_voltage: false },
        governor: {
          state: hot ? 'hot' : duty < 1 ? 'pacing' : 'open',
          threads: 4,
          max_freq_khz: Math.round((kind.maxFreqKhz * (hot ? 0.6 : 1)) / 100_000) * 100_000,
          duty: round(duty, 3),
          allowed_tokens_per_s: round(kind.tokensPerS * duty, 2),
        },
        engine: {
          state: busy ? 'busy' : 'ready',
          model: plant.model,
          tokens_total: tokens,
          tokens_per_s: round(rate, 2),
          joules_per_token: rate > 0 ? round(above / rate, 4) : null,
          slots_busy: busy ? 1 : 0,
          slots: 1,
          rss_bytes: 480_000_000 + Math.floor(dice() * 4_000_000),
          restarts: 0,
        },
        queue: {
          depth,
          oldest_ms: depth * 1500,
          accepted_total: counts.accepted,
          completed_total: counts.completed,
          rejected_total: counts.rejected,
        },
        router: {
          edge_total: counts.edge,
          cloud_total: counts.cloud,
          escalated_total: counts.escalated,
          by_reason: { low_difficulty: counts.edge, high_difficulty: counts.cloud },
          cloud_cost: round(counts.cloud * TOKENS_PER_ANSWER * CLOUD_PRICE * 1e-6, 9),
          saved_cost: round(counts.edge * TOKENS_PER_ANSWER * CLOUD_PRICE * 1e-6, 9),
          currency: 'USD',
        },
        system: {
          cpu_pct: round(busy ? 70 * duty + 10 * dice() : 2 + 3 * dice(), 1),
          mem_used_bytes: Math.round(kind.memBytes * (0.3 + 0.05 * dice())),
          mem_total_bytes: kind.memBytes,
          disk_free_bytes: 20_000_000_000 - tokens * 10,
          load1: round(busy ? 3 * duty + dice() : 0.2 * dice(), 2),
        },
      };
    },
    info: (version) => ({
      version,
      node,
      model: {
        id: plant.model,
        digest: 'a1'.repeat(32),
        architecture: 'ernie4_5',
        form: 'int8',
        parameters: 3_000_000,
        contextTokens: 512,
      },
      profile: kind.profile,
      pools: [pool],
      limits: {
        max_payload_bytes: 65_536,
        context_tokens: 2048,
        max_depth: 256,
        receive_maximum: 16,
      },
      features: ['stream', 'cancel', 'sessions', 'mqtt5'],
      config_schema_version: 1,
    }),
    health: (wallMs) =>
      plant.fanStopped && socC > plant.settings.limitC
        ? [
            {
              code: 'too_hot',
              severity: 'warning',
              title: 'The board is too hot to go on',
              text: `${round(socC, 1)} °C of ${plant.settings.limitC} °C`,
              since: new Date(wallMs).toISOString(),
              depends_on: [],
            },
          ]
        : [],
  };
  return plant;
}
