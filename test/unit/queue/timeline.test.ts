import { describe, expect, it } from 'vitest';
import { createTimeline, LONGEST_PLAUSIBLE_DOWNTIME_MS } from '../../../src/queue/timeline.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';
import { acceptNew, HOUR_MS, MINUTE_MS, openBench, prompt, YEAR_MS } from './fixture.ts';

describe('journal time', () => {
  it.each([20 * YEAR_MS, -20 * YEAR_MS])('ignores a wall clock jump of %d ms', async (jump) => {
    const clock = createVirtualClock();
    const timeline = createTimeline(clock, undefined);
    await clock.advance(500);
    clock.jumpWall(jump);
    await clock.advance(500);
    expect(timeline.now()).toBe(1000);
  });

  it('counts the downtime exactly when a process restarts within one boot, wherever the wall went', async () => {
    const clock = createVirtualClock();
    const first = createTimeline(clock, undefined);
    await clock.advance(100);
    const anchor = first.anchor();
    clock.jumpWall(-20 * YEAR_MS);
    await clock.advance(7000);
    const second = createTimeline(clock, anchor);
    expect([second.now(), second.continued]).toEqual([7100, 'monotonic']);
  });

  it.each([
    { name: 'trusted at both ends', before: true, after: true, downMs: HOUR_MS, counted: HOUR_MS },
    { name: 'not trusted before', before: false, after: true, downMs: HOUR_MS, counted: 0 },
    { name: 'not trusted after', before: true, after: false, downMs: HOUR_MS, counted: 0 },
    { name: 'gone backwards', before: true, after: true, downMs: -HOUR_MS, counted: 0 },
    { name: 'years ahead', before: true, after: true, downMs: 20 * YEAR_MS, counted: 0 },
    {
      name: 'just plausible',
      before: true,
      after: true,
      downMs: LONGEST_PLAUSIBLE_DOWNTIME_MS,
      counted: LONGEST_PLAUSIBLE_DOWNTIME_MS,
    },
  ])('across boots, wall clock $name: counts $counted ms', ({ before, after, downMs, counted }) => {
    const clock = createVirtualClock({ wallTrusted: before });
    const anchor = createTimeline(clock, undefined).anchor();
    clock.reboot({ downMs, wallTrusted: after });
    const timeline = createTimeline(clock, anchor);
    expect(timeline.now()).toBe(counted);
    expect(timeline.continued).toBe(counted > 0 ? 'wall' : 'unknown');
  });

  it('does not take two boots without a boot id for one', () => {
    const clock = createVirtualClock({ bootId: 'unknown' });
    const anchor = { ...createTimeline(clock, undefined).anchor(), monotonicMs: 0 };
    clock.jumpWall(-HOUR_MS);
    expect(createTimeline(clock, anchor).now()).toBe(0);
  });
});

describe('deadlines and windows on journal time', () => {
  it.each([20 * YEAR_MS, -20 * YEAR_MS])('keep their length over a jump of %d ms', async (jump) => {
    const bench = openBench();
    const answered = acceptNew(bench.journal, 'answered');
    bench.journal.complete(answered, 'the answer');
    acceptNew(bench.journal, 'waiting', { deadlineMs: MINUTE_MS });
    bench.clock.jumpWall(jump);
    await bench.clock.advance(MINUTE_MS - 1);
    bench.reopen();
    expect(bench.journal.expired(10)).toEqual([]);
    expect(bench.journal.accept(prompt('answered')).kind).toBe('answered');
    expect(bench.journal.prune()).toBe(0);
    await bench.clock.advance(1);
    expect(bench.journal.expired(10).map(({ id }) => id)).toEqual(['waiting']);
  });

  it('go on where they stood after a power cut without a trusted clock', async () => {
    const bench = openBench();
    acceptNew(bench.journal, 'a', { deadlineMs: MINUTE_MS });
    await bench.clock.advance(20_000);
    bench.journal.close();
    bench.clock.reboot({ downMs: HOUR_MS, wallTrusted: false });
    bench.reopen();
    await bench.clock.advance(39_999);
    expect(bench.journal.expired(1)).toEqual([]);
    await bench.clock.advance(1);
    expect(bench.journal.expired(1)).toHaveLength(1);
  });

  it('count a reboot with a trusted clock', () => {
    const bench = openBench();
    acceptNew(bench.journal, 'a', { deadlineMs: MINUTE_MS });
    bench.journal.close();
    bench.clock.reboot({ downMs: MINUTE_MS });
    bench.reopen();
    expect(bench.journal.expired(1)).toHaveLength(1);
    expect(bench.journal.nextExpiry()).toBeLessThanOrEqual(bench.journal.now());
  });
});
