import { DOMParser } from '@xmldom/xmldom';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timeAxis, valueAxis } from '../../../src/cli/chart/axis.ts';
import { linesOf, runningMean } from '../../../src/cli/chart/course.ts';
import { drawChart } from '../../../src/cli/chart/line-chart.ts';

const ROUND = new Set([1, 2, 5]);
/** The first digit of a step, and whether nothing but zeros follows it. */
const isRound = (step: number) =>
  ROUND.has(Number((step / 10 ** Math.floor(Math.log10(step) + 1e-9)).toFixed(6)));

describe('an axis', () => {
  it('has a few round marks that enclose the values', () => {
    const span = fc.tuple(
      fc.double({ min: -1e4, max: 1e4, noNaN: true }),
      fc.double({ min: 1e-3, max: 1e4, noNaN: true }),
    );
    fc.assert(
      fc.property(span, ([low, width]) => {
        const axis = valueAxis(low, low + width);
        const step = (axis.ticks[1] ?? 0) - (axis.ticks[0] ?? 0);
        const dust = 1e-6 * step;
        expect(isRound(step)).toBe(true);
        expect(axis.low).toBeLessThanOrEqual(low + dust);
        expect(axis.high).toBeGreaterThanOrEqual(low + width - dust);
        expect(axis.ticks.length).toBeGreaterThanOrEqual(2);
        expect(axis.ticks.length).toBeLessThanOrEqual(7);
        expect(new Set(axis.ticks.map(axis.text)).size).toBe(axis.ticks.length);
      }),
    );
  });

  it.each([
    [0, 4.2, ['0', '1', '2', '3', '4', '5']],
    [0, 0.13, ['0.00', '0.05', '0.10', '0.15']],
    [32, 76, ['30', '40', '50', '60', '70', '80']],
    [0, 0, ['0.0', '0.2', '0.4', '0.6', '0.8', '1.0']],
  ])('from %d to %d has the marks %j', (low, high, marks) => {
    const { ticks, text } = valueAxis(low, high);
    expect(ticks.map(text)).toEqual(marks);
  });

  it.each([
    [1, 's', '0,1'],
    [60, 's', '0,10,20,30,40,50,60'],
    [360, 'min', '0,1,2,3,4,5,6'],
    [3600, 'min', '0,10,20,30,40,50,60'],
    [86_400, 'h', '0,3,6,9,12,15,18,21,24'],
  ])('of %d s counts in %s: %s', (seconds, unit, marks) => {
    const axis = timeAxis(seconds);
    expect(axis.unit).toBe(unit);
    expect(axis.ticks.map(axis.text).join(',')).toBe(marks);
  });
});

const values = fc.array(fc.option(fc.integer({ min: -50, max: 50 }), { freq: 6 }), {
  minLength: 1,
  maxLength: 400,
});

describe('a course', () => {
  it('keeps its peaks when it is thinned, and stays in order', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 10, max: 100 }), (all, most) => {
        const lines = linesOf({ stepS: 0.5, values: all }, most);
        const points = lines.flat();
        const known = all.filter((value) => value !== null);
        expect(Math.max(...points.map(({ value }) => value))).toBe(Math.max(...known));
        expect(Math.min(...points.map(({ value }) => value))).toBe(Math.min(...known));
        expect(points.length).toBeLessThanOrEqual(most + 2);
        points.forEach(({ atS, value }, index) => {
          expect(all[atS / 0.5]).toBe(value);
          expect(atS).toBeGreaterThan(points[index - 1]?.atS ?? -1);
        });
      }),
    );
  });

  it('breaks where it is not known', () => {
    const lines = linesOf({ stepS: 1, values: [null, 1, 2, null, null, 3, 4, null] }, 1000);
    expect(lines).toEqual([
      [
        { atS: 1, value: 1 },
        { atS: 2, value: 2 },
      ],
      [
        { atS: 5, value: 3 },
        { atS: 6, value: 4 },
      ],
    ]);
  });

  it('has means over the time before, of what is known', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 20 }), (all, span) => {
        const { values: means } = runningMean({ stepS: 0.1, values: all }, span * 0.1);
        means.forEach((mean, index) => {
          const window = all.slice(index - span + 1, index + 1).filter((value) => value !== null);
          if (index < span || all[index] === null) expect(mean).toBeNull();
          else expect(mean).toBeCloseTo(window.reduce((sum, v) => sum + v, 0) / window.length, 9);
        });
      }),
    );
  });
});

describe('the picture', () => {
  it('is XML whatever the texts hold', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (title) => {
        const svg = drawChart({
          title,
          subtitle: '<&">',
          description: title,
          durationS: 1,
          panels: [
            {
              title,
              unit: 'W',
              fromZero: true,
              legend: true,
              series: [
                {
                  name: title,
                  course: { stepS: 1, values: [1, 2] },
                  stroke: { colour: '#000', width: 1 },
                },
              ],
            },
          ],
        });
        const document = new DOMParser({
          onError: (level, message) => {
            throw new Error(`${level}: ${message}`);
          },
        }).parseFromString(svg, 'image/svg+xml');
        // Where XML has no place for a character, a blank or the replacement character stands.
        const allowed = title.toWellFormed().replaceAll(/[\p{Cc}\uFFFE\uFFFF]/gu, ' ');
        expect(document.getElementsByTagName('title')[0]?.textContent).toBe(allowed);
      }),
    );
  });
});
