import {
  type BoardRecord,
  boardColumns,
  type Offender,
  type Overview,
} from '../../../src/protocol/fleet/index.ts';

const countBy = (records: readonly BoardRecord[], keys: (record: BoardRecord) => string[]) => {
  const counts: Record<string, number> = {};
  for (const record of records)
    for (const key of keys(record)) counts[key] = (counts[key] ?? 0) + 1;
  return counts;
};

/** Sums over the fake fleet, as the API says them. */
export function overviewOf(
  records: readonly BoardRecord[],
  nowMs: number,
  firing: number,
): Overview {
  const here = records.filter(({ status }) => status === 'online' || status === 'draining');
  const rows = here.map(boardColumns);
  const sum = (of: (row: (typeof rows)[number]) => number | null): number =>
    rows.reduce((total, row) => total + (of(row) ?? 0), 0);
  const busy = rows.filter(({ engine }) => engine === 'busy');
  const busyTokens = busy.reduce((total, row) => total + (row.tokens_per_s ?? 0), 0);
  const busyWatts = busy.reduce((total, row) => total + (row.watts ?? 0), 0);
  const edge = sum((row) => row.edge_total);
  const cloud = sum((row) => row.cloud_total);
  const statuses = countBy(records, ({ status }) => [status]);
  const worst: Offender[] = records
    .flatMap((record): Offender[] => {
      const row = boardColumns(record);
      const base = { node: record.node, value: null, limit: null };
      if (record.status === 'offline') return [{ ...base, reason: 'offline', code: '', score: 50 }];
      if (row.soc_c !== null && row.limit_c !== null && row.soc_c > row.limit_c) {
        return [
          {
            node: row.node,
            reason: 'hot',
            code: '',
            value: row.soc_c,
            limit: row.limit_c,
            score: 100,
          },
        ];
      }
      const first = record.health.find(({ severity }) => severity !== 'info');
      return first === undefined
        ? []
        : [{ ...base, reason: 'health', code: first.code, score: 40 }];
    })
    .sort((a, b) => b.score - a.score)
    .slice(0, 20);
  const health = new Map<string, Overview['health'][number]>();
  for (const { code, severity } of records.flatMap((record) => record.health)) {
    const known = health.get(code) ?? { code, severity, boards: 0 };
    known.boards += 1;
    health.set(code, known);
  }
  return {
    server_ms: nowMs,
    boards: {
      online: 0,
      draining: 0,
      stale: 0,
      offline: 0,
      unknown: 0,
      ...statuses,
      total: records.length,
    },
    watts: sum((row) => row.watts),
    watts_by_scope: { above_idle: sum((row) => row.watts) },
    budget_w: sum((row) => row.budget_w),
    watts_unknown: 0,
    tokens_per_s: busyTokens,
    tokens_total: sum((row) => row.tokens_total),
    joules_per_token: busyTokens > 0 ? busyWatts / busyTokens : null,
    queue_depth: sum((row) => row.queue_depth),
    edge_total: edge,
    cloud_total: cloud,
    escalated_total: sum((row) => row.escalated_total),
    edge_share: edge + cloud > 0 ? edge / (edge + cloud) : null,
    costs: [
      {
        currency: 'USD',
        cloud_cost: sum((row) => row.cloud_cost),
        saved_cost: sum((row) => row.saved_cost),
      },
    ],
    health: [...health.values()],
    by_profile: countBy(records, (record) => [record.info?.profile ?? '']),
    by_version: countBy(records, (record) => [record.info?.version ?? '']),
    by_model: countBy(records, (record) => [record.telemetry?.engine.model ?? '']),
    by_pool: countBy(records, (record) => record.info?.pools ?? []),
    worst,
    alerts: { firing, acknowledged: 0 },
    messages_per_s: here.length / 10,
    broker: { connected: true, detail: '' },
  };
}
