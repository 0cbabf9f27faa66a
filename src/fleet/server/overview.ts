import type { HealthSeverity } from '../../protocol/index.ts';
import {
  BOARD_STATUSES,
  boardColumns,
  type BoardColumns,
  type Offender,
  type Overview,
} from '../../protocol/fleet/index.ts';
import type { Registry } from './registry.ts';

const MOST_OFFENDERS = 20;
/** A clock that is off by more than this is told. */
const SKEW_MS = 30_000;
const SEVERITY_SCORE: Record<HealthSeverity, number> = { error: 100, warning: 40, info: 5 };

type Facts = Pick<Overview, 'alerts' | 'messages_per_s' | 'broker'> & { nowMs: number };

const bump = (counts: Record<string, number>, key: string | null) => {
  if (key !== null && key !== '') counts[key] = (counts[key] ?? 0) + 1;
};

/** What is worst about a board; undefined when nothing is. */
function offence(row: BoardColumns, worstCode: string): Offender | undefined {
  const found: Offender[] = [];
  const add = (
    reason: Offender['reason'],
    score: number,
    value: number | null = null,
    limit: number | null = null,
    code = '',
  ) => found.push({ node: row.node, reason, code, value, limit, score });
  if (row.severity !== null) add('health', SEVERITY_SCORE[row.severity], null, null, worstCode);
  if (row.status === 'offline') add('offline', 80);
  if (row.status === 'stale') add('stale', 60);
  if (row.status === 'online' || row.status === 'draining') {
    const { soc_c: soc, limit_c: limit, watts, budget_w: budget } = row;
    if (soc !== null && limit !== null && soc >= limit - 2)
      add('hot', 50 + soc - limit, soc, limit);
    if (watts !== null && budget !== null && budget > 0 && watts > budget * 1.05) {
      add('over_budget', 40 + 20 * Math.min(2, watts / budget - 1), watts, budget);
    }
    if (row.throttled === true) add('throttled', 45);
    if ((row.queue_depth ?? 0) >= 20) add('queue', 30, row.queue_depth);
  }
  if (Math.abs(row.clock_skew_ms ?? 0) > SKEW_MS) add('clock', 20, row.clock_skew_ms);
  return found.sort((a, b) => b.score - a.score)[0];
}

/** The fleet in numbers: one pass over all boards, about 20 ms for ten thousand. */
export function buildOverview(registry: Registry, facts: Facts): Overview {
  const boards = {
    total: 0,
    ...Object.fromEntries(BOARD_STATUSES.map((status) => [status, 0])),
  } as Overview['boards'];
  const sum = {
    watts: 0,
    budget: 0,
    unknown: 0,
    rate: 0,
    tokens: 0,
    busyW: 0,
    busyRate: 0,
    depth: 0,
    edge: 0,
    cloud: 0,
    escalated: 0,
  };
  const byScope: Record<string, number> = {};
  const groups = { profile: {}, version: {}, model: {}, pool: {} } as Record<
    string,
    Record<string, number>
  >;
  const costs = new Map<string, { currency: string; cloud_cost: number; saved_cost: number }>();
  const health = new Map<string, Overview['health'][number]>();
  let worst: Offender[] = [];

  for (const board of registry.boards()) {
    const row = boardColumns(board);
    boards.total += 1;
    boards[row.status] += 1;
    const lives = row.status === 'online' || row.status === 'draining';
    if (lives) {
      if (row.watts === null) sum.unknown += 1;
      else {
        const scope = board.telemetry?.power.scope ?? '';
        byScope[scope] = (byScope[scope] ?? 0) + row.watts;
      }
      sum.watts += row.watts ?? 0;
      sum.budget += row.budget_w ?? 0;
      sum.depth += row.queue_depth ?? 0;
      if (row.engine === 'busy') {
        sum.rate += row.tokens_per_s ?? 0;
        if (row.watts !== null) {
          sum.busyW += row.watts;
          sum.busyRate += row.tokens_per_s ?? 0;
        }
      }
    }
    sum.tokens += row.tokens_total ?? 0;
    sum.edge += row.edge_total ?? 0;
    sum.cloud += row.cloud_total ?? 0;
    sum.escalated += row.escalated_total ?? 0;
    if (row.currency !== null) {
      const cost = costs.get(row.currency) ?? {
        currency: row.currency,
        cloud_cost: 0,
        saved_cost: 0,
      };
      cost.cloud_cost += row.cloud_cost ?? 0;
      cost.saved_cost += row.saved_cost ?? 0;
      costs.set(row.currency, cost);
    }
    for (const { code, severity } of board.health) {
      const known = health.get(code) ?? { code, severity, boards: 0 };
      known.boards += 1;
      health.set(code, known);
    }
    bump(groups['profile'] ?? {}, row.profile);
    bump(groups['version'] ?? {}, row.version);
    bump(groups['model'] ?? {}, row.model);
    for (const pool of row.pools) bump(groups['pool'] ?? {}, pool);
    const code = board.health.find(({ severity }) => severity === row.severity)?.code ?? '';
    const offender = offence(row, code);
    if (offender !== undefined) {
      worst.push(offender);
      if (worst.length > 4 * MOST_OFFENDERS) worst = worstOf(worst);
    }
  }
  return {
    server_ms: facts.nowMs,
    boards,
    watts: round(sum.watts),
    watts_by_scope: Object.fromEntries(Object.entries(byScope).map(([k, w]) => [k, round(w)])),
    budget_w: round(sum.budget),
    watts_unknown: sum.unknown,
    tokens_per_s: round(sum.rate),
    tokens_total: sum.tokens,
    joules_per_token: sum.busyRate > 0 ? round(sum.busyW / sum.busyRate) : null,
    queue_depth: sum.depth,
    edge_total: sum.edge,
    cloud_total: sum.cloud,
    escalated_total: sum.escalated,
    edge_share: sum.edge + sum.cloud > 0 ? round(sum.edge / (sum.edge + sum.cloud)) : null,
    costs: [...costs.values()],
    health: [...health.values()].sort((a, b) => b.boards - a.boards),
    by_profile: groups['profile'] ?? {},
    by_version: groups['version'] ?? {},
    by_model: groups['model'] ?? {},
    by_pool: groups['pool'] ?? {},
    worst: worstOf(worst),
    alerts: facts.alerts,
    messages_per_s: facts.messages_per_s,
    broker: facts.broker,
  };
}

const worstOf = (all: Offender[]) =>
  all.sort((a, b) => b.score - a.score || (a.node < b.node ? -1 : 1)).slice(0, MOST_OFFENDERS);

const round = (value: number) => Math.round(value * 1000) / 1000;
