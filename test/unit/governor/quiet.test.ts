import { describe, expect, it } from 'vitest';
import { QuietWatch } from '../../../src/governor/quiet.ts';
import type { BoardSample } from '../../../src/protocol/index.ts';

const sample = (treeCpuS: number | null): BoardSample => ({
  atMs: 0,
  boardW: { ok: false, reason: 'none' },
  railsW: {},
  socC: { ok: false, reason: 'none' },
  throttled: [],
  underVoltage: null,
  throttleEvents: 0,
  freqKhz: null,
  treeCpuS,
});

describe('the watch over our own CPU time', () => {
  it('does not call a board idle while a model is being loaded', () => {
    const quiet = new QuietWatch(0);
    for (let ms = 0; ms <= 10_000; ms += 100) quiet.observe(sample(ms / 1000), ms);
    expect(quiet.forMs(10_000)).toBeLessThan(1500);
  });

  it('lets timers and rounding pass', () => {
    const quiet = new QuietWatch(0);
    // One tick of 10 ms every two seconds: half a per cent of a core.
    for (let ms = 0; ms <= 10_000; ms += 100)
      quiet.observe(sample(Math.floor(ms / 2000) / 100), ms);
    expect(quiet.forMs(10_000)).toBe(10_000);
  });

  it('takes a board at its word that counts no CPU time', () => {
    const quiet = new QuietWatch(0);
    for (let ms = 0; ms <= 5000; ms += 100) quiet.observe(sample(null), ms);
    expect(quiet.forMs(5000)).toBe(5000);
  });
});
