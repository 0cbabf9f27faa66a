import { expect, it } from 'vitest';
import { sleep } from '../../../src/core/index.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

it('runs timers in the order of their due times, each at its own time', async () => {
  const clock = createVirtualClock();
  const start = clock.monotonicMs();
  const seen: string[] = [];
  const note = (name: string) => () => seen.push(`${name}@${clock.monotonicMs() - start}`);
  clock.setTimer(30, note('late'));
  clock.setTimer(10, note('early'));
  clock.setTimer(10, note('early too'));
  const repeating = clock.setRepeating(12, note('tick'));
  await clock.advance(29);
  expect(seen).toEqual(['early@10', 'early too@10', 'tick@12', 'tick@24']);
  repeating.cancel();
  await clock.advance(10);
  expect(seen.at(-1)).toBe('late@30');
  expect(clock.monotonicMs() - start).toBe(39);
  expect(clock.pendingTimers()).toBe(0);
});

it('lets what a timer wakes set further timers within the same advance', async () => {
  const clock = createVirtualClock();
  let slept = 0;
  const work = (async () => {
    for (; slept < 3; slept += 1) await sleep(clock, 5);
  })();
  await clock.advance(15);
  await work;
  expect(slept).toBe(3);
});

it('moves the wall with time, alone at a jump, and starts anew at a reboot', async () => {
  const clock = createVirtualClock({ wallMs: 1000, bootId: 'b' });
  const uptime = clock.monotonicMs();
  await clock.advance(50);
  expect(clock.wallMs()).toBe(1050);
  clock.jumpWall(-5000);
  expect([clock.wallMs(), clock.monotonicMs()]).toEqual([-3950, uptime + 50]);
  clock.setTimer(1, () => expect.unreachable('timers end with the boot'));
  clock.reboot({ downMs: 100, wallTrusted: false });
  expect([clock.wallMs(), clock.monotonicMs(), clock.wallTrusted()]).toEqual([
    -3850,
    uptime,
    false,
  ]);
  expect(clock.bootId()).not.toBe('b');
  await clock.advance(10);
});
