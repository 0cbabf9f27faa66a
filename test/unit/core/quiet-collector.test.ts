import { expect, it } from 'vitest';
import { createQuietCollector } from '../../../src/core/index.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

const MB = 1024 * 1024;

function setUp() {
  const clock = createVirtualClock();
  const heap = { used: 20 * MB, quiet: true, collections: 0 };
  const collector = createQuietCollector({
    clock,
    isQuiet: () => heap.quiet,
    usedBytes: () => heap.used,
    collect() {
      heap.collections += 1;
      heap.used = 10 * MB;
    },
  });
  return { clock, heap, collector };
}

it('collects once work has been over for a second, and not again before two megabytes more', async () => {
  const { clock, heap, collector } = setUp();
  collector.worked();
  await clock.advance(900);
  collector.worked();
  await clock.advance(900);
  expect(heap.collections).toBe(0);
  await clock.advance(200);
  expect(heap.collections).toBe(1);
  heap.used = 11.9 * MB;
  collector.worked();
  await clock.advance(60_000);
  expect(heap.collections).toBe(1);
  heap.used = 12.1 * MB;
  collector.worked();
  await clock.advance(60_000);
  expect(heap.collections).toBe(2);
});

it('leaves work that goes on alone', async () => {
  const { clock, heap, collector } = setUp();
  heap.quiet = false;
  collector.worked();
  await clock.advance(10_000);
  expect(heap.collections).toBe(0);
});

it('frees what nobody holds', async () => {
  const { clock } = setUp();
  const collector = createQuietCollector({ clock, isQuiet: () => true });
  let garbage: object | undefined = { text: 'x'.repeat(100) };
  const freed = new WeakRef(garbage);
  garbage = undefined;
  collector.worked();
  await clock.advance(2000);
  expect(freed.deref()).toBeUndefined();
});
