import { describe, expect, it } from 'vitest';
import type { Telemetry } from '../../../src/protocol/index.ts';
import { emptyTotals } from '../../../src/service/index.ts';
import {
  buildTelemetry,
  createTelemetryPublisher,
  type TelemetryInputs,
} from '../../../src/telemetry/index.ts';
import { createVirtualClock, type VirtualClock } from '../../fakes/virtual-clock.ts';

type Overrides = Partial<Omit<TelemetryInputs, 'engine'>> & {
  engine?: Partial<TelemetryInputs['engine']>;
};

function inputs({ engine, ...overrides }: Overrides = {}): TelemetryInputs {
  return {
    wallMs: Date.UTC(2026, 5, 1),
    node: 'pi-1a2b',
    profile: 'raspberry-pi-5',
    uptimeS: 12.7,
    clock: { synchronised: true, bootId: 'c0ffee00-1111', bootMs: 12_700.4 },
    budgetW: 2,
    scope: 'above_idle',
    temperatureLimitC: 75,
    socTemperature: { ok: true, value: 48.849 },
    throttled: [],
    underVoltage: null,
    governor: null,
    boardW: null,
    joulesPerToken: null,
    joulesTotal: 0,
    slots: 1,
    slotsBusy: 0,
    queue: { depth: 0, oldestMs: 0 },
    totals: { ...emptyTotals(), accepted: 7, completed: 5, rejected: 1, edge: 5 },
    baseline: { priceIn: 0, priceOut: 0 },
    currency: 'USD',
    host: {
      cpuPct: 3.0512,
      memUsedBytes: 400e6,
      memTotalBytes: 1000e6,
      diskFreeBytes: 10e9,
      load1: 0.123,
    },
    ...overrides,
    engine: {
      state: 'ready',
      model: null,
      problem: null,
      threads: 3,
      pid: 1,
      restarts: 0,
      tokensTotal: 100,
      tokensPerS: 14.138,
      rssBytes: 5e8,
      ...engine,
    },
  };
}

describe('the telemetry message', () => {
  it('says what is known, rounded for people', () => {
    expect(buildTelemetry(inputs())).toMatchObject({
      v: 1,
      ts: '2026-06-01T00:00:00.000Z',
      uptime_s: 12,
      clock: { synchronised: true, boot: 'c0ffee00', boot_ms: 12_700 },
      thermal: { soc_c: 48.8, limit_c: 75 },
      governor: { state: 'open', threads: 3, duty: 1 },
      engine: { tokens_per_s: 14.14, tokens_total: 100 },
      queue: { accepted_total: 7, completed_total: 5, rejected_total: 1 },
      router: { edge_total: 5, cloud_total: 0, currency: 'USD' },
      system: { cpu_pct: 3.1, load1: 0.12 },
    });
  });

  it('has null and a reason where nothing is known, never a number', () => {
    const telemetry = buildTelemetry(
      inputs({ socTemperature: { ok: false, reason: 'no thermal zone found' } }),
    );
    expect(telemetry.thermal).toMatchObject({ soc_c: null, reason: 'no thermal zone found' });
    const { watts, mean_1s_w, mean_10s_w, mean_60s_w, board_w, idle_w, reason } = telemetry.power;
    expect([watts, mean_1s_w, mean_10s_w, mean_60s_w, board_w, idle_w]).toEqual(
      Array(6).fill(null),
    );
    expect(reason).toBe('no engine is being governed yet');
    expect(buildTelemetry(inputs()).thermal).not.toHaveProperty('reason');
  });

  it('shows what the governor measured and decided, in scope', () => {
    const telemetry = buildTelemetry(
      inputs({
        throttled: ['freq_capped'],
        underVoltage: false,
        boardW: 4.87654,
        joulesPerToken: 0.123456,
        governor: {
          state: 'pacing',
          watts: { ok: true, value: 1.98765, source: 'ina3221 VDD_IN', quality: 'measured' },
          means: { s1: 1.9, s10: 1.95, s60: null },
          idleW: 2.9,
          stale: false,
          order: { threads: 2, maxFreqKhz: 1_500_000 },
          duty: 0.77777,
          allowedTokensPerS: 13.987,
        },
      }),
    );
    expect(telemetry.power).toEqual({
      watts: 1.988,
      mean_1s_w: 1.9,
      mean_10s_w: 1.95,
      mean_60s_w: null,
      budget_w: 2,
      scope: 'above_idle',
      source: 'ina3221 VDD_IN',
      measured: true,
      stale: false,
      board_w: 4.877,
      idle_w: 2.9,
    });
    expect(telemetry.governor).toMatchObject({
      state: 'pacing',
      max_freq_khz: 1_500_000,
      duty: 0.778,
      allowed_tokens_per_s: 13.99,
    });
    expect(telemetry.thermal).toMatchObject({ throttled: ['freq_capped'], under_voltage: false });
    expect(telemetry.engine.joules_per_token).toBe(0.1235);
  });
});

function setUp(first: Overrides = {}, clock: VirtualClock = createVirtualClock()) {
  let facts = first;
  const sent: { atMs: number; telemetry: Telemetry }[] = [];
  const start = clock.monotonicMs();
  let failing = false;
  let collected = 0;
  const intervals = { busyMs: 30_000, idleMs: 300_000, minMs: 2000 };
  const publisher = createTelemetryPublisher({
    clock,
    collect: async () => {
      collected += 1;
      if (failing) throw new Error('collect failed');
      return buildTelemetry(inputs({ ...facts, wallMs: clock.wallMs() }));
    },
    publish: (telemetry) => {
      sent.push({ atMs: clock.monotonicMs() - start, telemetry });
    },
    intervals: () => intervals,
  });
  return {
    clock,
    publisher,
    intervals,
    change: (next: Overrides) => {
      facts = next;
    },
    fail: (value: boolean) => {
      failing = value;
    },
    collected: () => collected,
    sent,
    times: () => sent.map((message) => message.atMs),
  };
}

/** As the real one does: time moves between two readings, if only by microseconds. */
function createTickingClock(): VirtualClock {
  const clock = createVirtualClock();
  let ticks = 0;
  return { ...clock, monotonicMs: () => clock.monotonicMs() + (ticks += 1) * 1e-6 };
}

const busy: Overrides = { engine: { state: 'busy' } };
const hot: Overrides = { socTemperature: { ok: true, value: 60 } };

describe('the telemetry publisher', () => {
  it('speaks at once, then every 300 s while idle', async () => {
    const { clock, times, publisher } = setUp();
    await clock.advance(0);
    expect(times()).toEqual([0]);
    await clock.advance(900_000);
    expect(times()).toEqual([0, 300_000, 600_000, 900_000]);
    expect(publisher.last()?.node).toBe('pi-1a2b');
  });

  it('speaks every 30 s while prompts run or wait', async () => {
    const { clock, times } = setUp({ queue: { depth: 1, oldestMs: 5 } });
    await clock.advance(90_000);
    expect(times()).toEqual([0, 30_000, 60_000, 90_000]);
  });

  it('falls into the busy rhythm as soon as it is told', async () => {
    const { clock, times, change, publisher } = setUp();
    await clock.advance(100_000);
    change(busy);
    publisher.poke();
    await clock.advance(30_000);
    expect(times()).toEqual([0, 100_000, 130_000]);
  });

  it('greets a new connection at once, and only once', async () => {
    const { clock, times, publisher } = setUp();
    await clock.advance(500);
    publisher.greet();
    await clock.advance(20_000);
    publisher.poke();
    await clock.advance(20_000);
    expect(times()).toEqual([0, 500]);
  });

  it('says so when the clock has been set', async () => {
    const unset = { synchronised: false, bootId: 'b', bootMs: 1 };
    const { clock, times, change } = setUp({ clock: unset });
    await clock.advance(25_000);
    change({ clock: { ...unset, synchronised: true } });
    await clock.advance(10_000);
    expect(times()).toEqual([0, 30_000]);
  });

  it('is not set off by a queue that goes back and forth between two lengths', async () => {
    const { clock, times, change, publisher, intervals } = setUp();
    intervals.busyMs = 300_000;
    for (let i = 0; i < 20; i++) {
      change({ queue: { depth: 1 + (i % 2), oldestMs: 0 } });
      publisher.poke();
      await clock.advance(5000);
    }
    expect(times()).toEqual([0]);
  });

  it('costs an idle board at most 20 KB in an hour, however its values wander', async () => {
    const { clock, change, sent } = setUp();
    const governor: TelemetryInputs['governor'] = {
      state: 'open',
      watts: { ok: true, value: 0.123, source: 'ina3221 VDD_IN', quality: 'measured' },
      means: { s1: 0.101, s10: 0.099, s60: 0.098 },
      idleW: 2.912,
      stale: false,
      order: { threads: 4, maxFreqKhz: null },
      duty: 1,
      allowedTokensPerS: 14.25,
    };
    await clock.advance(0);
    sent.length = 0;
    for (let second = 0; second < 3600; second += 5) {
      // A slow drift of the room, the noise of the sensors, now and then a cron job.
      const wave = Math.sin(second / 600);
      const noise = ((second * 7919) % 100) / 100;
      const cron = second % 900 < 20 ? 0.15 : 0;
      change({
        governor: { ...governor, means: { s1: cron, s10: 0.09 + cron + noise * 0.03, s60: 0.1 } },
        socTemperature: { ok: true, value: 46 + 1.5 * wave + noise },
        boardW: 2.9 + noise * 0.1,
        host: {
          cpuPct: noise * 10,
          memUsedBytes: 1.21e9 + noise * 5e7,
          memTotalBytes: 8e9,
          diskFreeBytes: 2.5e10 - second * 1000,
          load1: noise,
        },
      });
      await clock.advance(5000);
    }
    // Packet header, topic, packet id and properties of an MQTT 5 PUBLISH, and a ping a minute.
    const packet = 70;
    const bytes = sent.reduce(
      (sum, { telemetry }) => sum + packet + Buffer.byteLength(JSON.stringify(telemetry)),
      60 * 2,
    );
    expect(sent.length).toBeGreaterThanOrEqual(11);
    expect(bytes).toBeLessThanOrEqual(20_000);
  });

  it('tells news once, without looking again and again, on a clock that never stands still', async () => {
    const { clock, times, change, publisher, collected } = setUp({}, createTickingClock());
    await clock.advance(1000);
    change(hot);
    publisher.poke();
    await clock.advance(9000);
    expect(times()).toHaveLength(2);
    expect(collected()).toBeLessThan(6);
  });

  it('tells news early, but never two within the least interval', async () => {
    const { clock, times, change, publisher } = setUp();
    await clock.advance(60_000);
    for (let i = 0; i < 100; i++) {
      change(i % 2 === 0 ? hot : {});
      publisher.poke();
      await clock.advance(100);
    }
    const early = times().filter((at) => at >= 60_000);
    expect(early.length).toBeGreaterThan(1);
    expect(early.length).toBeLessThanOrEqual(6);
    for (const [i, at] of early.entries()) {
      const before = early[i - 1];
      if (before !== undefined) expect(at - before).toBeGreaterThanOrEqual(2000);
    }
  });

  it('notices a silent change by itself within ten seconds', async () => {
    const { clock, times, change } = setUp();
    await clock.advance(41_000);
    change(hot);
    await clock.advance(9000);
    expect(times()).toEqual([0, 50_000]);
  });

  it('is not set off again and again by a value at the edge of a step', async () => {
    const { clock, times, change, publisher } = setUp();
    for (let i = 0; i < 100; i++) {
      change({ socTemperature: { ok: true, value: i % 2 === 0 ? 49.9 : 50.1 } });
      publisher.poke();
      await clock.advance(1000);
    }
    expect(times()).toEqual([0]);
  });

  it('keeps the least interval even when it is longer than its own looks', async () => {
    const { clock, times, change, intervals } = setUp();
    intervals.minMs = 25_000;
    await clock.advance(1000);
    change(hot);
    await clock.advance(60_000);
    expect(times()).toEqual([0, 25_000]);
  });

  it('heeds a changed interval', async () => {
    const { clock, times, intervals } = setUp();
    await clock.advance(5000);
    intervals.idleMs = 20_000;
    await clock.advance(35_000);
    expect(times()).toEqual([0, 20_000, 40_000]);
  });

  it('goes on after a failure, and stops when closed', async () => {
    const { clock, times, fail, publisher } = setUp();
    fail(true);
    await clock.advance(15_000);
    expect(times()).toEqual([]);
    fail(false);
    await clock.advance(10_000);
    expect(times()).toEqual([20_000]);
    publisher.close();
    publisher.poke();
    await clock.advance(1_000_000);
    expect(times()).toHaveLength(1);
    expect(clock.pendingTimers()).toBe(0);
  });
});
