import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../bench/router/random.ts';
import { createShareFollower, isShadowed } from '../../../src/router/index.ts';

/** Difficulties around `centre`, as a kitchen's or a laboratory's prompts might have them. */
const traffic = (centre: number, width: number, random: () => number) => () =>
  Math.min(1, Math.max(0, centre + width * (random() + random() + random() - 1.5)));

function run(
  follower: ReturnType<typeof createShareFollower>,
  next: () => number,
  prompts: number,
) {
  let escalated = 0;
  for (let index = 0; index < prompts; index += 1) {
    const goes = next() > follower.threshold();
    follower.observe(goes);
    if (goes) escalated += 1;
  }
  return escalated / prompts;
}

describe('following a wanted cloud share', () => {
  it.each([
    [0.3, 0.2, 0.5],
    [0.3, 0.6, 0.25],
    [0.1, 0.3, 0.7],
    [0.6, 0.7, 0.3],
  ])('%d, after traffic shifts from around %d to around %d', (share, before, after) => {
    for (const seed of [1, 2, 3]) {
      const random = createRandom(seed);
      const follower = createShareFollower({ share, threshold: 0.5 });
      run(follower, traffic(before, 0.3, random), 2000);
      // The shift itself counts: no time to settle is given.
      const achieved = run(follower, traffic(after, 0.3, random), 1000);
      expect(Math.abs(achieved - share)).toBeLessThan(0.03);
    }
  });

  it('misses no more than the threshold’s way allows, whatever the traffic', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.001, max: 0.999, noNaN: true }), {
          minLength: 1000,
          maxLength: 1000,
        }),
        fc.double({ min: 0.05, max: 0.95, noNaN: true }),
        (difficulties, share) => {
          const follower = createShareFollower({ share, threshold: 0.5 });
          let at = 0;
          const achieved = run(follower, () => difficulties[at++] as number, difficulties.length);
          // 0.02 a prompt; from 0.5 the threshold can move by a half and a step.
          expect(Math.abs(achieved - share)).toBeLessThanOrEqual(0.52 / (0.02 * 1000) + 1e-6);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('shadowing', () => {
  it('takes its share of prompts that may leave as they are, and no other', () => {
    const random = createRandom(5);
    const draws = Array.from({ length: 5000 }, random);
    const share = (privacy: 'any' | 'redact' | 'local', target: 'edge' | 'cloud') =>
      draws.filter((draw) => isShadowed({ privacy, target }, 0.1, draw)).length / draws.length;
    expect(share('any', 'edge')).toBeCloseTo(0.1, 1);
    for (const privacy of ['redact', 'local'] as const) expect(share(privacy, 'edge')).toBe(0);
    expect(share('any', 'cloud')).toBe(0);
    expect(draws.some((draw) => isShadowed({ privacy: 'any', target: 'edge' }, 0, draw))).toBe(
      false,
    );
  });
});
