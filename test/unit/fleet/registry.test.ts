import { describe, expect, it } from 'vitest';
import { createRegistry } from '../../../src/fleet/server/registry.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';
import { telemetryExample } from '../../fixtures/telemetry.ts';

const STALE_MS = 60_000;
const NOW = Date.UTC(2026, 5, 1);

function setUp() {
  const clock = createVirtualClock({ wallMs: NOW });
  const registry = createRegistry({ clock, staleAfterMs: STALE_MS });
  const telemetryAt = (ms: number) => ({ ...telemetryExample(), ts: new Date(ms).toISOString() });
  const state = (name: 'online' | 'draining' | 'offline') => ({
    state: name,
    since: null,
    instance: 'a',
  });
  return { clock, registry, telemetryAt, state };
}

describe('the registry of boards', () => {
  it('believes the retained state, and calls a board stale when telemetry stops', async () => {
    const { clock, registry, telemetryAt, state } = setUp();
    registry.setTelemetry('b', telemetryAt(NOW));
    expect(registry.board('b')?.status).toBe('unknown');
    registry.setState('b', state('online'), true);
    expect(registry.board('b')?.status).toBe('online');
    await clock.advance(STALE_MS + 1);
    registry.tick();
    expect(registry.board('b')?.status).toBe('stale');
    registry.setTelemetry('b', telemetryAt(NOW + STALE_MS));
    expect(registry.board('b')?.status).toBe('online');
    registry.setState('b', state('offline'), false);
    expect(registry.board('b')?.status).toBe('offline');
  });

  it('gives a board that comes back time for its first telemetry', async () => {
    const { clock, registry, state } = setUp();
    registry.setState('b', state('offline'), true);
    await clock.advance(10 * STALE_MS);
    registry.setState('b', state('online'), false);
    registry.tick();
    expect(registry.board('b')?.status).toBe('online');
  });

  it('measures a clock by the least delay, and stores what has no usable time under its own', () => {
    const { registry, telemetryAt } = setUp();
    registry.setTelemetry('b', telemetryAt(NOW - 90_000));
    registry.setTelemetry('b', telemetryAt(NOW - 60_500));
    expect(registry.board('b')?.clock_skew_ms).toBe(60_500);
    expect(registry.setTelemetry('b', telemetryAt(NOW - 60_500))).toBe(NOW - 60_500);
    expect(registry.setTelemetry('c', telemetryAt(0))).toBe(NOW);
    expect(registry.setTelemetry('c', telemetryAt(NOW + 3_600_000))).toBe(NOW);
    expect(registry.board('c')?.clock_skew_ms).toBe(-3_600_000);
  });

  it('does not take what was kept back for the present', () => {
    const { registry, telemetryAt } = setUp();
    const fresh = { ...telemetryAt(NOW), uptime_s: 100 };
    registry.setTelemetry('b', fresh);
    registry.setTelemetry('b', { ...telemetryAt(NOW - 600_000), uptime_s: 1 });
    expect(registry.board('b')?.telemetry?.uptime_s).toBe(100);
  });

  it('tells what changed after a sequence number, what was removed, and when it cannot know', () => {
    const { registry, state } = setUp();
    registry.setState('a', state('online'), true);
    const seen = registry.seq();
    registry.setState('b', state('online'), true);
    expect(registry.changesAfter(seen)?.boards.map(({ node }) => node)).toEqual(['b']);
    const later = registry.seq();
    registry.remove('a');
    expect(registry.changesAfter(later)).toEqual({ boards: [], removed: ['a'] });
    expect(registry.changesAfter(registry.seq())).toEqual({ boards: [], removed: [] });
    expect(registry.changesAfter('another-life-5')).toBeUndefined();
  });
});
