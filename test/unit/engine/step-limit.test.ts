import { describe, expect, it } from 'vitest';
import { createStepLimits } from '../../../src/engine/step-limit.ts';
import { StepWatch } from '../../../src/engine/step-watch.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

const NANO_BYTES = 3.5e6;
const ERNIE_BYTES = 380e6;
const limitsOf = (modelBytes: number | null) =>
  createStepLimits({ ceilingMs: 60_000, loadCeilingMs: 300_000, modelBytes });

describe('when a silent engine counts as hung', () => {
  it('is a matter of seconds for a small model, whatever the size of the step', () => {
    const limits = limitsOf(NANO_BYTES);
    limits.learn({ rows: 1, durationMs: 2 });
    for (const step of [{ rows: 1 }, { rows: 128 }, 'soon'] as const) {
      expect(limits.stepMs(step)).toBe(8_000);
    }
    expect(limits.loadMs()).toBeLessThanOrEqual(14_000);
  });

  it('leaves a big model on a slow board all the time that is configured', () => {
    const limits = limitsOf(ERNIE_BYTES);
    limits.learn({ rows: 1, durationMs: 450 });
    expect(limits.stepMs({ rows: 128 })).toBe(60_000);
    // One step may have to read weights again that memory pressure drove out.
    expect(limits.stepMs({ rows: 1 })).toBe(60_000);
    expect(limits.loadMs()).toBeGreaterThan(180_000);
  });

  it('grows with what steps took, and forgets a slow one only slowly', () => {
    const limits = limitsOf(NANO_BYTES);
    limits.learn({ rows: 64, durationMs: 64 * 15 });
    limits.learn({ rows: 1, durationMs: 30 });
    expect(limits.stepMs({ rows: 128 })).toBe(20 * (30 + 128 * 15));
    limits.learn({ rows: 64, durationMs: 64 });
    expect(limits.stepMs({ rows: 128 })).toBeGreaterThan(20 * 128 * 14);
    for (let step = 0; step < 500; step++) limits.learn({ rows: 64, durationMs: 64 });
    expect(limits.stepMs({ rows: 128 })).toBe(8_000);
    // The time before the first step does not depend on a chunk's size.
    expect(limits.stepMs('soon')).toBe(8_000);
  });

  it('doubles after each kill until something ends well, up to the ceiling', () => {
    const limits = limitsOf(NANO_BYTES);
    limits.learn({ rows: 1, durationMs: 1 });
    const loadMs = limits.loadMs();
    limits.tookForHung();
    expect(limits.stepMs({ rows: 1 })).toBe(16_000);
    expect(limits.loadMs()).toBe(2 * loadMs);
    for (let kill = 0; kill < 10; kill++) limits.tookForHung();
    expect(limits.stepMs({ rows: 1 })).toBe(60_000);
    expect(limits.loadMs()).toBe(300_000);
    limits.endedWell();
    expect(limits.stepMs({ rows: 1 })).toBe(8_000);
  });

  it('is what was configured while nothing is known', () => {
    expect(limitsOf(NANO_BYTES).stepMs({ rows: 1 })).toBe(60_000);
    const untold = limitsOf(NANO_BYTES);
    untold.learn({ rows: 1, durationMs: 1 });
    expect(untold.stepMs('unknown')).toBe(60_000);
    const unknown = limitsOf(null);
    unknown.learn({ rows: 1, durationMs: 1 });
    expect(unknown.stepMs({ rows: 1 })).toBe(60_000);
    expect(unknown.loadMs()).toBe(300_000);
  });
});

describe('the watch over an engine', () => {
  function setUp() {
    const clock = createVirtualClock();
    const stuck: number[] = [];
    let waits = false;
    const watch = new StepWatch(clock, {
      rightlyIdle: () => waits,
      onStuck: (limitMs) => stuck.push(limitMs),
    });
    return { clock, stuck, watch, wait: (now: boolean) => (waits = now) };
  }

  it('takes a shorter limit at once and a longer one as well', async () => {
    const { clock, stuck, watch } = setUp();
    watch.start(60_000);
    await clock.advance(1000);
    watch.expect(8_000);
    await clock.advance(7_900);
    expect(stuck).toEqual([]);
    watch.expect(20_000);
    await clock.advance(19_900);
    expect(stuck).toEqual([]);
    await clock.advance(200);
    expect(stuck).toEqual([20_000]);
    expect(clock.pendingTimers()).toBe(0);
    // Whoever was told did nothing about it.
    expect(watch.overdue(2_000)).toBe(false);
    await clock.advance(2_500);
    expect(watch.overdue(2_000)).toBe(true);
    watch.start(8_000);
    expect(watch.overdue(2_000)).toBe(false);
  });

  it('does not count time at the gate, and looks at nothing once it is stopped', async () => {
    const { clock, stuck, watch, wait } = setUp();
    watch.start(8_000);
    wait(true);
    await clock.advance(600_000);
    wait(false);
    watch.stop();
    watch.expect(10);
    await clock.advance(60_000);
    expect(stuck).toEqual([]);
    expect(clock.pendingTimers()).toBe(0);
  });
});
