import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientOf, createLimiter } from '../../../src/gateway/http/limiter.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

it('never lets more pass in any stretch of time than a minute’s worth and the rate', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: 120 }),
      async (perMinute, gapsMs) => {
        const clock = createVirtualClock();
        const limiter = createLimiter(perMinute, clock);
        const passedAt: number[] = [];
        for (const gapMs of gapsMs) {
          await clock.advance(gapMs);
          const now = clock.monotonicMs();
          const waitMs = limiter.take('a');
          if (waitMs === null) passedAt.push(now);
          else expect(waitMs).toBeGreaterThan(0);
        }
        for (const [index, from] of passedAt.entries()) {
          for (const [later, to] of passedAt.entries()) {
            if (later < index) continue;
            const allowed = perMinute + ((to - from) / 60_000) * perMinute;
            expect(later - index + 1).toBeLessThanOrEqual(allowed + 1e-6);
          }
        }
      },
    ),
    { numRuns: 40 },
  );
});

it('lets a refused client pass after the time that it was told', async () => {
  const clock = createVirtualClock();
  const limiter = createLimiter(2, clock);
  expect([limiter.take('a'), limiter.take('a')]).toEqual([null, null]);
  const waitMs = limiter.take('a') ?? 0;
  expect(waitMs).toBeCloseTo(30_000);
  expect(limiter.take('b')).toBeNull();
  await clock.advance(Math.ceil(waitMs));
  expect(limiter.take('a')).toBeNull();
});

it('forgets the client that it heard longest ago, and 0 limits nothing', () => {
  const clock = createVirtualClock();
  const limiter = createLimiter(1, clock);
  for (let n = 0; n < 1025; n += 1) limiter.take(`client ${n}`);
  expect(limiter.take('client 0')).toBeNull();
  expect(limiter.take('client 1024')).not.toBeNull();
  const open = createLimiter(0, clock);
  for (let n = 0; n < 1000; n += 1) expect(open.take('a')).toBeNull();
});

describe('a client', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['nonsense', 'nonsense'],
  ])('%s is %s', (address, client) => expect(clientOf(address)).toBe(client));
});
