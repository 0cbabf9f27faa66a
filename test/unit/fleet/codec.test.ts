import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  decodeColumns,
  decodeRow,
  encodeColumns,
  encodeRow,
} from '../../../src/fleet/store/sqlite/codec.ts';

const value = fc.option(fc.integer({ min: -(2 ** 50), max: 2 ** 50 }), { nil: null });

it('columns come back as they were', () => {
  const columns = fc.integer({ min: 0, max: 30 }).chain((rows) =>
    fc.array(fc.array(value, { minLength: rows, maxLength: rows }), {
      minLength: 1,
      maxLength: 8,
    }),
  );
  fc.assert(
    fc.property(columns, (table) => {
      expect(decodeColumns(encodeColumns(table))).toEqual(table);
    }),
  );
});

it('a row comes back as it was', () => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 40 }), (row) => {
      expect(decodeRow(encodeRow(row), row.length)).toEqual(row);
    }),
  );
});

it('what hardly changes takes next to nothing', () => {
  const hour = [
    Array.from({ length: 360 }, (_, i) => i * 10_000),
    ...Array.from({ length: 30 }, () => Array.from({ length: 360 }, () => 75)),
  ];
  expect(encodeColumns(hour).length).toBeLessThan(400);
});
