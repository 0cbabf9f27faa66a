import type { Telemetry } from '../../protocol/index.ts';
import type { Metric } from './payload.ts';

/** Names that a host may write to; everything else of the node is read only. */
export const REBIRTH = 'Node Control/Rebirth';
export const BUDGET = 'Power/Budget';
export const DRAIN = 'Node Control/Drain';

export type NodeFacts = { version: string; draining: boolean };

type Named = Metric & { name: string };
const int = (name: string, value: number | null): Named => ({ name, type: 'int64', value });
const real = (name: string, value: number | null): Named => ({ name, type: 'double', value });
const flag = (name: string, value: boolean | null): Named => ({ name, type: 'boolean', value });
const text = (name: string, value: string | null): Named => ({ name, type: 'string', value });

/** The node's metrics, always the same ones in the same order: the place of each is its alias. */
export function nodeMetrics(telemetry: Telemetry, { version, draining }: NodeFacts): Named[] {
  const { power, thermal, governor, engine, queue, router, system } = telemetry;
  return [
    flag(REBIRTH, false),
    flag(DRAIN, draining),
    text('Properties/Software', `twowatt ${version}`),
    text('Properties/Profile', telemetry.profile),
    int('Properties/Uptime', telemetry.uptime_s),
    flag('Properties/Clock Synchronised', telemetry.clock?.synchronised ?? null),
    real('Power/Watts', power.watts),
    real('Power/Mean 60 s', power.mean_60s_w),
    real(BUDGET, power.budget_w),
    text('Power/Scope', power.scope),
    flag('Power/Measured', power.measured),
    real('Power/Board', power.board_w),
    real('Thermal/SoC', thermal.soc_c),
    real('Thermal/Limit', thermal.limit_c),
    flag('Thermal/Throttled', thermal.throttled.length > 0),
    flag('Thermal/Under Voltage', thermal.under_voltage),
    text('Governor/State', governor.state),
    real('Governor/Duty', governor.duty),
    text('Engine/State', engine.state),
    text('Engine/Model', engine.model),
    int('Engine/Tokens', engine.tokens_total),
    real('Engine/Tokens per Second', engine.tokens_per_s),
    real('Engine/Joules', engine.joules_total ?? null),
    real('Engine/Joules per Token', engine.joules_per_token),
    int('Engine/Restarts', engine.restarts),
    int('Queue/Depth', queue.depth),
    int('Queue/Accepted', queue.accepted_total),
    int('Queue/Completed', queue.completed_total),
    int('Queue/Rejected', queue.rejected_total),
    int('Router/Edge', router.edge_total),
    int('Router/Cloud', router.cloud_total),
    int('Router/Escalated', router.escalated_total),
    real('System/CPU', system.cpu_pct),
    int('System/Memory Used', system.mem_used_bytes),
    int('System/Disk Free', system.disk_free_bytes),
  ];
}
