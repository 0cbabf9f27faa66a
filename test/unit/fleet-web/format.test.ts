import { describe, expect, it } from 'vitest';
import { createFormatter, inOneLine } from '../../../src/fleet/web/lib/format.ts';

const f = createFormatter('en-GB');
const zh = createFormatter('zh-CN');

describe('figures', () => {
  it('carry their unit and stand still', () => {
    expect(inOneLine(f.watts(2))).toBe('2.00 W');
    expect(inOneLine(f.celsius(80.55))).toBe('80.6 °C');
    expect(inOneLine(f.megahertz(1_800_000))).toBe('1,800 MHz');
    expect(inOneLine(f.percent(0.1234, 1))).toBe('12.3 %');
    expect(inOneLine(f.joulesPerToken(0.21))).toBe('0.210 J/tok');
  });

  it('are a dash where nothing is known', () => {
    for (const unknown of [null, undefined, Number.NaN]) {
      expect(inOneLine(f.watts(unknown))).toBe('–');
      expect(inOneLine(f.wattsTotal(unknown))).toBe('–');
      expect(f.duration(unknown)).toBe('–');
    }
  });

  it('take the prefix that leaves three digits', () => {
    expect(inOneLine(f.wattsTotal(0))).toBe('0.00 W');
    expect(inOneLine(f.wattsTotal(23_456))).toBe('23.5 kW');
    expect(inOneLine(f.bytes(3 * 2 ** 30))).toBe('3.00 GiB');
    expect(inOneLine(f.large(2_369_401_326))).toBe('2.37 G');
    expect(inOneLine(f.large(12_000))).toBe('12.0 k');
    expect(inOneLine(f.large(9999))).toBe('9,999');
  });

  it('show small money too', () => {
    expect(inOneLine(f.money(0.00042, 'USD'))).toBe('0.00042 USD');
    expect(inOneLine(f.money(0, 'USD'))).toBe('0.00 USD');
    expect(inOneLine(f.money(12.3, 'CNY'))).toBe('12.30 CNY');
  });
});

it('durations have two units at most, in the reader’s language', () => {
  expect([4, 59.9, 60, 3600, 11_100, 190_000].map((s) => f.duration(s))).toEqual([
    '4 s',
    '59 s',
    '1 min',
    '1 h 00 min',
    '3 h 05 min',
    '2 d 4 h',
  ]);
  expect(zh.duration(11_100)).toBe('3 小时 05 分');
  expect(f.duration(-3)).toBe('0 s');
});
