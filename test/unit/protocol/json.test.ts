import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MOST_JSON_LEVELS, parseJson } from '../../../src/protocol/index.ts';

const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

describe('parseJson', () => {
  it('takes what JSON.parse takes, and fails as it does', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 20 }), (text) => {
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
    expect(() => parseJson('{"a":')).toThrow(SyntaxError);
  });

  it('bounds the depth, whatever stands between the brackets', () => {
    expect(parseJson(nested(MOST_JSON_LEVELS))).toBeInstanceOf(Array);
    for (const text of [
      nested(MOST_JSON_LEVELS + 1),
      nested(30_000),
      '{"a":'.repeat(10_000),
      '[1,"x\\"]",'.repeat(1000),
    ]) {
      expect(() => parseJson(text)).toThrow(RangeError);
    }
  });

  it('counts levels, not brackets, and none inside strings', () => {
    const wide = `[${Array.from({ length: 5000 }, () => '[]').join()}]`;
    expect(parseJson(wide)).toHaveLength(5000);
    const quoted = JSON.stringify({ text: `"\\${'[{"'.repeat(5000)}`, after: [[1]] });
    expect(parseJson(quoted)).toEqual(JSON.parse(quoted));
  });

  it('leaves broken strings to JSON.parse, also those that tempt a scanner to start over', () => {
    const openings = '['.repeat(100) + '{'.repeat(28);
    for (const text of [
      `${openings}"${'\\"'.repeat(30_000)}`,
      `${openings}"[[[[[\\`,
      `${openings}"${'['.repeat(500)}`,
    ]) {
      expect(() => parseJson(text)).toThrow(SyntaxError);
    }
  });
});
