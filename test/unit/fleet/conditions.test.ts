import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/fleet/server/conditions.ts';
import { planWaves } from '../../../src/fleet/server/rollouts.ts';
import type { AlertCondition, BoardRecord } from '../../../src/protocol/fleet/index.ts';
import { telemetryExample } from '../../fixtures/telemetry.ts';

const board: BoardRecord = {
  node: 'b',
  status: 'online',
  status_since_ms: 0,
  seen_ms: 0,
  telemetry_ms: 0,
  clock_skew_ms: 0,
  state: { state: 'online', since: null, instance: 'a' },
  info: null,
  health: [
    { code: 'too_hot', severity: 'warning', title: 'Hot', text: '', since: '', depends_on: [] },
  ],
  telemetry: telemetryExample(),
};
const holds = (condition: AlertCondition) => judge(condition, board).holds;

describe('conditions of alert rules', () => {
  it('compare columns, paths into the telemetry and ratios', () => {
    expect(holds({ kind: 'field', field: 'soc_c', op: '>', value: 50 })).toBe(true);
    expect(holds({ kind: 'field', field: 'soc_c', op: '>', value: 60 })).toBe(false);
    expect(holds({ kind: 'field', field: 'queue.oldest_ms', op: '>=', value: 1500 })).toBe(true);
    expect(holds({ kind: 'field', field: 'engine', op: '==', value: 'busy' })).toBe(true);
    expect(holds({ kind: 'ratio', field: 'watts', over: 'budget_w', op: '<', value: 0.6 })).toBe(
      true,
    );
  });

  it('never hold for a value that nobody knows', () => {
    for (const op of ['>', '<', '==', '!='] as const) {
      expect(holds({ kind: 'field', field: 'power.mean_60s_w', op, value: 0 })).toBe(false);
      expect(holds({ kind: 'field', field: 'no.such.thing', op, value: 0 })).toBe(false);
    }
    expect(holds({ kind: 'field', field: 'constructor.name', op: '==', value: 'Object' })).toBe(
      false,
    );
  });

  it('know states and health', () => {
    expect(holds({ kind: 'status', statuses: ['online', 'stale'] })).toBe(true);
    expect(holds({ kind: 'status', statuses: ['offline'] })).toBe(false);
    expect(holds({ kind: 'health', codes: ['too_hot'] })).toBe(true);
    expect(holds({ kind: 'health', codes: [] })).toBe(true);
    expect(holds({ kind: 'health', codes: ['disk_full'] })).toBe(false);
  });
});

describe('the waves of a roll-out', () => {
  const nodes = Array.from({ length: 100 }, (_, i) => `n${i}`);
  it('begin with the canary and leave nobody out', () => {
    const waves = planWaves(nodes, 0.05, 0.25);
    expect(waves.map((wave) => wave.length)).toEqual([5, 25, 25, 25, 20]);
    expect(waves.flat()).toEqual(nodes);
    expect(planWaves(nodes.slice(0, 3), 0.05, 0.25)).toEqual([['n0'], ['n1'], ['n2']]);
    expect(planWaves(nodes, 0, 1)).toEqual([nodes]);
  });
});
