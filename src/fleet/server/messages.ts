import {
  HEALTH_CODES,
  type HealthCondition,
  type InfoMessage,
  parseJson,
  type StateMessage,
  type Telemetry,
} from '../../protocol/index.ts';

/**
 * What boards send, read with doubt: whoever may publish on the broker may publish anything. A field of the
 * wrong type becomes null (or its empty value), a message that is no object is undefined.
 */
const LARGEST_BYTES = 65_536;
const LONGEST_TEXT = 256;

type Fields = Record<string, unknown>;

function readJson(payload: Buffer): unknown {
  if (payload.length === 0 || payload.length > LARGEST_BYTES) return undefined;
  try {
    return parseJson(payload.toString());
  } catch {
    return undefined;
  }
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const text = (value: unknown): string | null =>
  typeof value === 'string' ? value.slice(0, LONGEST_TEXT) : null;
const number = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;
const flag = (value: unknown): boolean | null => (typeof value === 'boolean' ? value : null);
const texts = (value: unknown): string[] =>
  Array.isArray(value)
    ? value
        .slice(0, 64)
        .map(text)
        .filter((item) => item !== null)
    : [];
const oneOf =
  <const T extends string>(...known: T[]) =>
  (value: unknown): T | null =>
    known.find((item) => item === value) ?? null;
const counts = (value: unknown): Record<string, number> =>
  isFields(value)
    ? Object.fromEntries(
        Object.entries(value)
          .slice(0, 64)
          .filter((entry): entry is [string, number] => number(entry[1]) !== null),
      )
    : {};

/** Type of each field of telemetry (contract section 5); those not named here are not kept. */
const TELEMETRY: Record<string, Record<string, (value: unknown) => unknown>> = {
  power: {
    watts: number,
    mean_1s_w: number,
    mean_10s_w: number,
    mean_60s_w: number,
    budget_w: number,
    scope: text,
    source: text,
    measured: (value) => value === true,
    stale: (value) => value === true,
    board_w: number,
    idle_w: number,
    reason: text,
  },
  thermal: { soc_c: number, limit_c: number, throttled: texts, under_voltage: flag, reason: text },
  governor: {
    state: oneOf('open', 'pacing', 'hot', 'paused'),
    threads: number,
    max_freq_khz: number,
    duty: number,
    allowed_tokens_per_s: number,
  },
  engine: {
    state: oneOf('starting', 'ready', 'busy', 'restarting', 'unavailable'),
    model: text,
    tokens_total: number,
    tokens_per_s: number,
    joules_per_token: number,
    joules_total: number,
    slots_busy: number,
    slots: number,
    rss_bytes: number,
    restarts: number,
  },
  queue: {
    depth: number,
    oldest_ms: number,
    accepted_total: number,
    completed_total: number,
    rejected_total: number,
  },
  router: {
    edge_total: number,
    cloud_total: number,
    escalated_total: number,
    by_reason: counts,
    cloud_cost: number,
    saved_cost: number,
    currency: text,
  },
  system: {
    cpu_pct: number,
    mem_used_bytes: number,
    mem_total_bytes: number,
    disk_free_bytes: number,
    load1: number,
  },
};
/** Absent where a board has nothing to say, or is too old to know the field. */
const OPTIONAL = new Set(['reason', 'joules_total']);
const GROUPS = Object.entries(TELEMETRY).map(
  ([group, fields]) => [group, Object.entries(fields)] as const,
);

function clockOf(value: unknown): Pick<Telemetry, 'clock'> {
  if (!isFields(value)) return {};
  const bootMs = number(value['boot_ms']);
  const boot = text(value['boot']);
  const synchronised = flag(value['synchronised']);
  if (bootMs === null || boot === null || synchronised === null) return {};
  const corrected = value['corrected'] === true && { corrected: true };
  return { clock: { synchronised, boot, boot_ms: bootMs, ...corrected } };
}

export function readTelemetry(payload: Buffer): Telemetry | undefined {
  const message = readJson(payload);
  if (!isFields(message)) return undefined;
  const clean: Fields = {
    v: 1,
    ts: text(message['ts']) ?? '',
    node: text(message['node']) ?? '',
    profile: text(message['profile']) ?? '',
    uptime_s: number(message['uptime_s']) ?? 0,
    ...(message['late'] === true && { late: true }),
    ...clockOf(message['clock']),
  };
  for (const [group, fields] of GROUPS) {
    const given = isFields(message[group]) ? message[group] : {};
    const part: Fields = {};
    for (const [name, read] of fields) {
      const value = read(given[name]);
      if (!OPTIONAL.has(name) || value !== null) part[name] = value;
    }
    clean[group] = part;
  }
  return clean as unknown as Telemetry;
}

const readStateName = oneOf('online', 'draining', 'offline');

export function readState(payload: Buffer): StateMessage | undefined {
  const message = readJson(payload);
  const state = isFields(message) ? readStateName(message['state']) : null;
  if (!isFields(message) || state === null) return undefined;
  return { state, since: text(message['since']), instance: text(message['instance']) ?? '' };
}

const readSeverity = oneOf('info', 'warning', 'error');

/** Codes of later versions pass as well: an operator should see them. */
export function readHealth(payload: Buffer): HealthCondition[] | undefined {
  const message = readJson(payload);
  if (!Array.isArray(message)) return undefined;
  return message.slice(0, 64).flatMap((item): HealthCondition[] => {
    const code = isFields(item) ? text(item['code']) : null;
    if (!isFields(item) || code === null) return [];
    return [
      {
        code: code as (typeof HEALTH_CODES)[number],
        severity: readSeverity(item['severity']) ?? 'warning',
        title: text(item['title']) ?? code,
        text: text(item['text']) ?? '',
        since: text(item['since']) ?? '',
        depends_on: texts(item['depends_on']) as HealthCondition['depends_on'],
      },
    ];
  });
}

export function readInfo(payload: Buffer): InfoMessage | undefined {
  const message = readJson(payload);
  if (!isFields(message)) return undefined;
  const { model, limits } = message;
  const limit = (name: string) => (isFields(limits) ? number(limits[name]) : null) ?? 0;
  return {
    version: text(message['version']) ?? '',
    node: text(message['node']) ?? '',
    model: isFields(model)
      ? {
          id: text(model['id']) ?? '',
          digest: text(model['digest']) ?? '',
          architecture: text(model['architecture']) ?? '',
          form: text(model['form']) ?? '',
          parameters: number(model['parameters']) ?? 0,
          contextTokens: number(model['contextTokens']) ?? 0,
        }
      : null,
    profile: text(message['profile']) ?? '',
    pools: texts(message['pools']),
    limits: {
      max_payload_bytes: limit('max_payload_bytes'),
      context_tokens: limit('context_tokens'),
      max_depth: limit('max_depth'),
      receive_maximum: limit('receive_maximum'),
    },
    features: texts(message['features']),
    config_schema_version: number(message['config_schema_version']) ?? 0,
  };
}
