import type { BoardRecord } from '../../../src/protocol/fleet/index.ts';
import type { HealthCode, HealthCondition, HealthSeverity } from '../../../src/protocol/index.ts';
import { telemetryExample } from '../../fixtures/telemetry.ts';

/** A generator of numbers from 0 to 1 that gives the same ones for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const KINDS = [
  { profile: 'raspberry-pi-5', name: 'pi', tokens: 7, heat: 58, limit: 80 },
  { profile: 'raspberry-pi-4', name: 'pi4', tokens: 2.5, heat: 55, limit: 75 },
  { profile: 'jetson-orin-nano', name: 'orin', tokens: 11, heat: 52, limit: 85 },
  { profile: 'rock-5b', name: 'rock', tokens: 8, heat: 56, limit: 80 },
] as const;
const POOLS = ['greenhouse', 'lobby', 'lab', 'workshop', 'warehouse'];
const VERSIONS = ['0.1.0', '0.1.0', '0.1.0', '0.2.0'];
const MODELS = ['ernie-4.5-0.3b', 'ernie-4.5-0.3b', 'twowatt-nano'];

const TITLES: Partial<Record<HealthCode, { severity: HealthSeverity; text: string }>> = {
  too_hot: { severity: 'warning', text: 'SoC at 83.5 °C, limit 80 °C' },
  under_voltage: { severity: 'error', text: 'the firmware reports less than 4.63 V' },
  over_budget: { severity: 'warning', text: '2.41 W over the last 10 s, budget 2 W' },
  power_estimated: { severity: 'info', text: 'no sensor; the profile’s model is used' },
  cloud_unreachable: { severity: 'warning', text: 'gateway: connection refused' },
  queue_full: { severity: 'warning', text: '64 of 64 prompts wait' },
};

export function condition(code: HealthCode, sinceMs: number): HealthCondition {
  const { severity = 'warning', text = code } = TITLES[code] ?? {};
  return {
    code,
    severity,
    title: code,
    text,
    since: new Date(sinceMs).toISOString(),
    depends_on: [],
  };
}

/** The board that is too hot, in every fake fleet; of the first kind, so a `pi`. */
export const HOT_BOARD = 'pi-0008';

export type VirtualBoard = { record: BoardRecord; baseTokens: number; baseHeat: number };

/** A fleet in which most is well and a few boards are not, the same for the same seed. */
export function makeBoards(count: number, nowMs: number, seed = 7): VirtualBoard[] {
  const chance = seeded(seed);
  return Array.from({ length: count }, (_, index) => {
    const kind = KINDS[index % KINDS.length] ?? KINDS[0];
    const node = `${kind.name}-${String(index).padStart(4, '0')}`;
    const hot = node === HOT_BOARD;
    const luck = chance();
    const busy = chance() < 0.55;
    const telemetry = telemetryExample();
    const model = MODELS[index % MODELS.length] ?? 'twowatt-nano';
    const version = VERSIONS[index % VERSIONS.length] ?? '0.1.0';
    telemetry.node = node;
    telemetry.profile = kind.profile;
    telemetry.uptime_s = Math.round(chance() * 2_000_000);
    telemetry.engine.model = model;
    telemetry.engine.state = busy ? 'busy' : 'ready';
    telemetry.governor.state = busy && chance() < 0.5 ? 'pacing' : 'open';
    telemetry.thermal.limit_c = kind.limit;
    telemetry.engine.tokens_total = Math.round(chance() * 4e6);
    telemetry.router.edge_total = Math.round(chance() * 9000);
    telemetry.router.cloud_total = Math.round(telemetry.router.edge_total * chance() * 0.25);
    telemetry.router.escalated_total = Math.round(telemetry.router.cloud_total * 0.3);
    telemetry.router.cloud_cost = telemetry.router.cloud_total * 0.00021;
    telemetry.router.saved_cost = telemetry.router.edge_total * 0.0003;
    telemetry.system.mem_total_bytes = 8 * 2 ** 30;
    telemetry.system.disk_free_bytes = Math.round((4 + chance() * 60) * 2 ** 30);
    const health: HealthCondition[] = [];
    const since = nowMs - Math.round(chance() * 9e6);
    if (hot) health.push(condition('too_hot', nowMs - 840_000));
    else if (luck < 0.004) health.push(condition('under_voltage', since));
    else if (luck < 0.012) health.push(condition('over_budget', since));
    else if (luck < 0.02) health.push(condition('cloud_unreachable', since));
    else if (luck < 0.1) health.push(condition('power_estimated', since));
    const offline = !hot && luck > 0.985;
    const stale = !hot && luck > 0.98 && luck <= 0.985;
    const board: VirtualBoard = {
      baseTokens: kind.tokens,
      baseHeat: kind.heat + chance() * 8,
      record: {
        node,
        status: offline ? 'offline' : stale ? 'stale' : 'online',
        status_since_ms: nowMs - Math.round(chance() * 9e7),
        seen_ms:
          nowMs - (offline || stale ? Math.round(chance() * 9e6) : Math.round(chance() * 9000)),
        telemetry_ms: nowMs,
        clock_skew_ms: Math.round(chance() * 40),
        state: { state: offline ? 'offline' : 'online', since: null, instance: node },
        info: {
          version,
          node,
          pools: [POOLS[Math.floor(chance() * POOLS.length)] ?? 'lab'],
          model: null,
          profile: kind.profile,
          limits: {
            max_payload_bytes: 65_536,
            context_tokens: 2048,
            max_depth: 64,
            receive_maximum: 16,
          },
          features: [],
          config_schema_version: 1,
        },
        health,
        telemetry,
      },
    };
    stir(board, nowMs, chance);
    return board;
  });
}

/** New telemetry, near the old one. */
export function stir(board: VirtualBoard, nowMs: number, chance: () => number): void {
  const { record } = board;
  const telemetry = structuredClone(record.telemetry) ?? telemetryExample();
  const hot = record.node === HOT_BOARD;
  const busy = telemetry.engine.state === 'busy';
  const { budget_w: budget } = telemetry.power;
  const wanted = hot ? 2.6 : busy ? 1.3 + chance() * 0.8 : 0.05 + chance() * 0.05;
  const watts = Math.min(wanted, budget * 1.02);
  telemetry.ts = new Date(nowMs).toISOString();
  telemetry.power.watts = watts;
  telemetry.power.mean_1s_w = watts;
  telemetry.power.mean_10s_w = Math.round(watts * 1000) / 1000;
  telemetry.power.board_w = watts + 3;
  telemetry.power.idle_w = 3;
  telemetry.power.measured = !record.health.some(({ code }) => code === 'power_estimated');
  const heat = hot ? 70 + watts * 5.2 : board.baseHeat + watts * 4 + chance();
  telemetry.thermal.soc_c = Math.round(heat * 10) / 10;
  if (hot) telemetry.governor.state = heat > 80 ? 'hot' : 'pacing';
  if (hot) telemetry.engine.state = 'busy';
  telemetry.governor.max_freq_khz = busy || hot ? 1_800_000 : 1_200_000;
  telemetry.governor.duty = busy ? 0.6 + chance() * 0.4 : 1;
  telemetry.engine.tokens_per_s = Math.round(board.baseTokens * (0.8 + chance() * 0.3) * 10) / 10;
  telemetry.engine.joules_per_token = busy
    ? Math.round((watts / telemetry.engine.tokens_per_s) * 1000) / 1000
    : 0.21;
  telemetry.queue.depth = hot ? 12 : busy ? Math.floor(chance() * 4) : 0;
  telemetry.system.mem_used_bytes = Math.round((1.2 + chance() * 0.2) * 2 ** 30);
  telemetry.engine.rss_bytes = Math.round((0.7 + chance() * 0.05) * 2 ** 30);
  telemetry.system.cpu_pct = busy ? 60 + chance() * 30 : chance() * 4;
  record.telemetry = telemetry;
  record.telemetry_ms = nowMs;
  record.seen_ms = nowMs;
}
