import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/core/index.ts';
import {
  createWatchdogFeeder,
  openServiceNotifier,
  stuckSinceLastAsked,
  unixSocketAddress,
  watchdogUsec,
} from '../../../src/daemon/sd-notify.ts';
import { listenForDatagrams } from '../../fakes/datagram-listener.ts';

describe('openServiceNotifier', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'notify-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is absent when no manager asked', async () => {
    expect(await openServiceNotifier({})).toBeUndefined();
    expect(await openServiceNotifier({ NOTIFY_SOCKET: '' })).toBeUndefined();
    expect(await openServiceNotifier({ NOTIFY_SOCKET: 'vsock:2:1' })).toBeUndefined();
  });

  it.each([
    ['a path', () => join(folder, 'notify.sock')],
    ['an abstract name', () => `@twowatt-test-${randomUUID()}`],
  ])('reaches a real datagram socket at %s', async (_kind, path) => {
    const address = path();
    const listener = listenForDatagrams(address);
    try {
      const notifier = await openServiceNotifier({ NOTIFY_SOCKET: address });
      expect(notifier?.notify({ READY: 1, STATUS: 'two\nlines 你好' })).toBe(true);
      expect(notifier?.notify({ WATCHDOG: 1 })).toBe(true);
      expect(listener.read()).toEqual(['READY=1\nSTATUS=two lines 你好', 'WATCHDOG=1']);
      notifier?.close();
      notifier?.close();
      expect(notifier?.notify({ WATCHDOG: 1 })).toBe(false);
      expect(listener.read()).toEqual([]);
    } finally {
      listener.close();
    }
  });

  it('answers false, and neither blocks nor throws, when nobody reads', async () => {
    const gone = await openServiceNotifier({ NOTIFY_SOCKET: join(folder, 'gone.sock') });
    expect(gone?.notify({ READY: 1 })).toBe(false);
    gone?.close();

    const path = join(folder, 'full.sock');
    const listener = listenForDatagrams(path);
    const notifier = await openServiceNotifier({ NOTIFY_SOCKET: path });
    let sent = 0;
    while (sent < 100_000 && notifier?.notify({ STATUS: 'x'.repeat(1000) }) === true) sent++;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(100_000);
    notifier?.close();
    listener.close();
  });
});

describe('unixSocketAddress', () => {
  it('ends a path with NUL and starts an abstract name with one', () => {
    expect([...(unixSocketAddress('/a') ?? [])]).toEqual([1, 0, 0x2f, 0x61, 0]);
    expect([...(unixSocketAddress('@a') ?? [])]).toEqual([1, 0, 0, 0x61]);
  });

  it('refuses what does not fit', () => {
    expect(unixSocketAddress(`/${'x'.repeat(106)}`)).toHaveLength(110);
    expect(unixSocketAddress(`/${'x'.repeat(107)}`)).toBeUndefined();
    expect(unixSocketAddress('relative')).toBeUndefined();
    expect(unixSocketAddress('@')).toBeUndefined();
  });
});

describe('watchdogUsec', () => {
  it('reads the period that is meant for this process', () => {
    expect(watchdogUsec({ WATCHDOG_USEC: '30000000' }, 7)).toBe(30_000_000);
    expect(watchdogUsec({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 7)).toBe(30_000_000);
    expect(watchdogUsec({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, 7)).toBeUndefined();
    for (const usec of ['0', '-1', 'x', '', undefined]) {
      expect(watchdogUsec({ WATCHDOG_USEC: usec }, 7)).toBeUndefined();
    }
  });
});

/** Only what the feeder uses of a clock; `tick` runs one period. */
function steppedClock() {
  let repeat: (() => void) | undefined;
  let periodMs = 0;
  const clock: Clock = {
    monotonicMs: () => 0,
    wallMs: () => 0,
    bootId: () => 'test',
    wallTrusted: () => true,
    setTimer: () => ({ cancel: () => undefined }),
    setRepeating(period, callback) {
      periodMs = period;
      repeat = callback;
      return { cancel: () => (repeat = undefined) };
    },
  };
  return { clock, tick: () => repeat?.(), periodMs: () => periodMs };
}

describe('createWatchdogFeeder', () => {
  it('feeds at a third of the period while the work moves or rests, and starves a stuck one', () => {
    const { clock, tick, periodMs } = steppedClock();
    let done = 0;
    let waiting = 0;
    let fed = 0;
    let decisions = 0;
    const hungry: (readonly string[])[] = [];
    const feeder = createWatchdogFeeder({
      usec: 30_000_000,
      stuck: stuckSinceLastAsked([
        { name: 'prompts', progress: () => done, idle: () => waiting === 0 },
        { name: 'governor', progress: () => ++decisions, idle: () => false },
      ]),
      clock,
      notify: () => fed++,
      onHungry: (stuck) => hungry.push(stuck),
    });
    expect(periodMs()).toBe(10_000);
    expect(fed).toBe(1);

    tick();
    expect(fed).toBe(2); // idle

    waiting = 1;
    tick();
    expect(fed).toBe(2); // work waits and nothing moved, whatever else moves
    expect(hungry).toEqual([['prompts']]);
    done = 1;
    tick();
    expect(fed).toBe(3);
    tick();
    tick();
    expect(fed).toBe(3);
    waiting = 0;
    tick();
    expect(fed).toBe(4);

    feeder.stop();
    tick();
    expect(fed).toBe(4);
  });
});
