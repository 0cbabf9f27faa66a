import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quantiseBlocks, quantiseChannels } from '../../../src/model/quantise.ts';

const weight = fc.float({ noNaN: true, noDefaultInfinity: true });
/** Rounding w·(1/scale) in double precision may miss the tie itself by this much. */
const SLACK = 1 + 1e-6;

describe('quantiseChannels', () => {
  const matrices = fc
    .record({ rows: fc.integer({ min: 1, max: 70 }), columns: fc.integer({ min: 1, max: 9 }) })
    .chain(({ rows, columns }) =>
      fc.record({
        rows: fc.constant(rows),
        columns: fc.constant(columns),
        values: fc.array(weight, { minLength: rows * columns, maxLength: rows * columns }),
      }),
    );

  it.each([0, 128] as const)('is off by half a step at most, zero point %i', (zeroPoint) => {
    fc.assert(
      fc.property(matrices, ({ rows, columns, values }) => {
        const weights = Float32Array.from(values);
        const bytes = new Uint8Array(rows * columns);
        const scales = new Float32Array(rows);
        const shape = { rows, columns, firstRow: 0, allRows: rows };
        quantiseChannels(weights, shape, zeroPoint, bytes, scales);
        const stored = zeroPoint === 0 ? new Int8Array(bytes.buffer) : bytes;
        for (let row = 0; row < rows; row++) {
          const scale = scales[row] as number;
          for (let column = 0; column < columns; column++) {
            const quantised = (stored[column * rows + row] as number) - zeroPoint;
            expect(Math.abs(quantised)).toBeLessThanOrEqual(127);
            const error = (weights[row * columns + column] as number) - quantised * scale;
            expect(Math.abs(error)).toBeLessThanOrEqual((scale / 2) * SLACK);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('puts blocks of rows beside each other', () => {
    const whole = Float32Array.from({ length: 6 * 4 }, (_, i) => Math.sin(i));
    const expected = new Uint8Array(24);
    const scales = new Float32Array(6);
    const shape = { columns: 4, allRows: 6 };
    quantiseChannels(whole, { ...shape, rows: 6, firstRow: 0 }, 0, expected, scales);
    const pieces = new Uint8Array(24);
    const pieceScales = new Float32Array(6);
    for (const firstRow of [0, 2, 4]) {
      const rows = whole.subarray(firstRow * 4, firstRow * 4 + 8);
      quantiseChannels(rows, { ...shape, rows: 2, firstRow }, 0, pieces, pieceScales);
    }
    expect(pieces).toEqual(expected);
    expect(pieceScales).toEqual(scales);
  });
});

describe('quantiseBlocks', () => {
  it('is off by half a step at most in each block', () => {
    const blocks = fc.array(fc.array(weight, { minLength: 16, maxLength: 16 }), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(blocks, (list) => {
        const weights = Float32Array.from(list.flat());
        const bytes = new Uint8Array(weights.length);
        const scales = new Float32Array(list.length);
        quantiseBlocks(weights, weights.length, 16, bytes, scales);
        for (const [i, value] of weights.entries()) {
          const scale = scales[i >> 4] as number;
          expect(bytes[i]).toBeGreaterThan(0);
          const error = value - ((bytes[i] as number) - 128) * scale;
          expect(Math.abs(error)).toBeLessThanOrEqual((scale / 2) * SLACK);
        }
      }),
      { numRuns: 60 },
    );
  });
});
