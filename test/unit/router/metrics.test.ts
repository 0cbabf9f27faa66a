import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  apgr,
  auroc,
  cpt,
  type Labelled,
  qualityCurve,
  saving,
  thresholdForShare,
} from '../../../src/router/index.ts';

/** Worked by hand: weak right on 1 of 4, strong on 3 of 4. */
const FOUR: Labelled[] = [
  { weak: 0, strong: 1, score: 0.9 },
  { weak: 1, strong: 1, score: 0.7 },
  { weak: 0, strong: 1, score: 0.4 },
  { weak: 0, strong: 0, score: 0.1 },
];

const rows = fc.array(
  fc.record({
    weak: fc.constantFrom(0, 1),
    strong: fc.constantFrom(0, 1),
    score: fc.constantFrom(0, 0.2, 0.4, 0.6, 0.8, 1),
  }),
  { minLength: 2, maxLength: 60 },
);
const gapOf = (labelled: Labelled[]) =>
  labelled.reduce((sum, { weak, strong }) => sum + strong - weak, 0);

describe('the quality curve', () => {
  it('is as worked out by hand', () => {
    expect(qualityCurve(FOUR)).toEqual([
      { share: 0, quality: 0.25, pgr: 0, threshold: 1 },
      { share: 0.25, quality: 0.5, pgr: 0.5, threshold: 0.7 },
      { share: 0.5, quality: 0.5, pgr: 0.5, threshold: 0.4 },
      { share: 0.75, quality: 0.75, pgr: 1, threshold: 0.1 },
      { share: 1, quality: 0.75, pgr: 1, threshold: 0 },
    ]);
  });

  it('gives the APGR and CPT worked out by hand', () => {
    // Trapezia: 0.25/4 + 0.5/4 + 0.75/4 + 1/4.
    expect(apgr(FOUR)).toBeCloseTo(0.625, 12);
    expect(cpt(FOUR, 0.5)).toBeCloseTo(0.25, 12);
    // Half-way between recovered 0.5 at share 0.5 and 1 at 0.75 is 0.75; 0.8 lies 0.6 of the way.
    expect(cpt(FOUR, 0.8)).toBeCloseTo(0.65, 12);
    expect(cpt(FOUR, 1.1)).toBeNull();
  });

  it('is a straight line, APGR 0.5, when all scores are equal', () => {
    fc.assert(
      fc.property(rows, (labelled) => {
        fc.pre(gapOf(labelled) !== 0);
        expect(apgr(labelled.map((row) => ({ ...row, score: 0.3 })))).toBeCloseTo(0.5, 10);
      }),
    );
  });

  it('is turned round by turning the scores round', () => {
    fc.assert(
      fc.property(rows, (labelled) => {
        fc.pre(gapOf(labelled) !== 0);
        const turned = labelled.map((row) => ({ ...row, score: -row.score }));
        expect(apgr(labelled) + apgr(turned)).toBeCloseTo(1, 9);
      }),
    );
  });

  it('does not depend on the order of the rows', () => {
    fc.assert(
      fc.property(rows, (labelled) => {
        expect(qualityCurve(labelled.toReversed())).toEqual(qualityCurve(labelled));
      }),
    );
  });

  it('says NaN where weak and strong are equally good, and refuses no rows', () => {
    expect(apgr([{ weak: 1, strong: 1, score: 0.5 }])).toBeNaN();
    expect(() => qualityCurve([])).toThrow(RangeError);
  });
});

describe('AUROC', () => {
  it.each([
    [[0.1, 0.4, 0.35, 0.8], [false, false, true, true], 0.75],
    [[1, 2, 3, 4], [false, false, true, true], 1],
    [[5, 5, 5, 5], [false, true, false, true], 0.5],
    [[1, 1, 2], [false, true, true], 0.75],
  ])('of %j with %j is %d', (scores, positives, expected) => {
    const labelled = scores.map((score, at) => ({ score, positive: positives[at] === true }));
    expect(auroc(labelled)).toBeCloseTo(expected, 12);
  });

  it('is NaN when one kind is missing', () => {
    expect(auroc([{ score: 1, positive: true }])).toBeNaN();
  });
});

describe('saving', () => {
  it('counts what the board does', () => {
    expect(saving(0.25)).toBeCloseTo(0.75, 12);
    expect(saving(0.25, { edgeCost: 0.1 })).toBeCloseTo(0.675, 12);
    // Every prompt was tried on the board first, the escalated ones in vain.
    expect(saving(0.25, { edgeCost: 0.1, triedFirst: true })).toBeCloseTo(0.65, 12);
  });
});

describe('the threshold for a share', () => {
  it('lets that share pass', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 5, maxLength: 80 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (raw, share) => {
          const scores = raw.map((score) => score / 1_000_000);
          const threshold = thresholdForShare(scores, share);
          const passed = scores.filter((score) => score > threshold).length;
          expect(Math.abs(passed - share * scores.length)).toBeLessThanOrEqual(0.5 + 1e-9);
        },
      ),
    );
  });
});
