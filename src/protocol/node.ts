import type { ErrorBody } from '../core/index.ts';
import type { ModelFacts } from './generation.ts';

export type StateMessage = {
  state: 'online' | 'draining' | 'offline';
  /** RFC 3339; null in the Last Will, since a broker cannot know when. */
  since: string | null;
  /** Tells two live nodes of one id apart; made anew at each start of the daemon. */
  instance: string;
};

export type InfoMessage = {
  version: string;
  node: string;
  model: ModelFacts | null;
  profile: string;
  /** Pools whose prompts it shares; absent from versions before 0.2. */
  pools?: string[];
  limits: {
    max_payload_bytes: number;
    context_tokens: number;
    max_depth: number;
    receive_maximum: number;
  };
  features: string[];
  config_schema_version: number;
};

export const VERBS = [
  'ping',
  'config.get',
  'config.set',
  'governor.set',
  'drain',
  'resume',
  'restart',
  'model.list',
  'model.pull',
  'model.activate',
  'model.rollback',
  'decisions',
] as const;
export type Verb = (typeof VERBS)[number];

export type VerbResponse =
  | { transaction: unknown; status: 'ok'; data: unknown }
  | { transaction: unknown; status: 'error'; error: ErrorBody };

/** Section 5 of the contract. A missing reading is null with a reason, never a number. */
export type Telemetry = {
  v: 1;
  ts: string;
  node: string;
  profile: string;
  uptime_s: number;
  /** True in a message that could not be sent when it was made; `ts` is when it was made. */
  late?: boolean;
  clock?: {
    /** False while the board does not know the time of day, and `ts` is what it believes. */
    synchronised: boolean;
    /** First eight hex digits of the boot's id, and the milliseconds of that boot: they never jump. */
    boot: string;
    boot_ms: number;
    /** `ts` was wrong when the message was made, and was put right when the clock had been set. */
    corrected?: boolean;
  };
  power: {
    watts: number | null;
    mean_1s_w: number | null;
    mean_10s_w: number | null;
    mean_60s_w: number | null;
    budget_w: number;
    scope: string;
    source: string | null;
    measured: boolean;
    stale: boolean;
    board_w: number | null;
    idle_w: number | null;
    reason?: string;
  };
  thermal: {
    soc_c: number | null;
    limit_c: number;
    throttled: string[];
    under_voltage: boolean | null;
    reason?: string;
  };
  governor: {
    state: 'open' | 'pacing' | 'hot' | 'paused';
    threads: number;
    max_freq_khz: number | null;
    duty: number;
    allowed_tokens_per_s: number | null;
  };
  engine: {
    state: EngineState;
    model: string | null;
    tokens_total: number;
    tokens_per_s: number;
    joules_per_token: number | null;
    /** Energy of all answers since the daemon's start. */
    joules_total?: number;
    slots_busy: number;
    slots: number;
    rss_bytes: number | null;
    restarts: number;
  };
  queue: {
    depth: number;
    oldest_ms: number;
    accepted_total: number;
    completed_total: number;
    rejected_total: number;
  };
  router: {
    edge_total: number;
    cloud_total: number;
    escalated_total: number;
    by_reason: Record<string, number>;
    cloud_cost: number;
    saved_cost: number;
    currency: string;
  };
  system: {
    cpu_pct: number | null;
    mem_used_bytes: number | null;
    mem_total_bytes: number | null;
    disk_free_bytes: number | null;
    load1: number | null;
  };
};

export type EngineState = 'starting' | 'ready' | 'busy' | 'restarting' | 'unavailable';

export type EngineStatus = {
  state: EngineState;
  model: ModelFacts | null;
  /** Why the engine is not ready; null when it is. */
  problem: ErrorBody | null;
  threads: number;
  pid: number | null;
  restarts: number;
  tokensTotal: number;
  /** Decode rate of the last answer; 0 before the first. */
  tokensPerS: number;
  /** Resident memory of the engine process, bytes; null while none runs. */
  rssBytes: number | null;
};
