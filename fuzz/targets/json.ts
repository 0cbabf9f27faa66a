import { MOST_JSON_LEVELS, parseJson } from '../../src/protocol/json.ts';
import { ensure, inTime } from '../expect.ts';

/** The bound of nesting: whatever passes is what `JSON.parse` makes of it, and honest text passes. */
export const name = 'json';

export const seeds = () => [
  '{"a":[1,2,{"b":"[[[{{{\\"]"}]}',
  `${'['.repeat(127)}${']'.repeat(127)}`,
  `${'{"a":'.repeat(129)}1${'}'.repeat(129)}`,
  `"${'['.repeat(300)}"`,
  `["\\\\","[[","\\"[",${'{},'.repeat(70)}1]`,
];

function levels(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(levels));
}

export function fuzz(data: Buffer): void {
  const text = data.toString();
  let expected: unknown;
  try {
    expected = JSON.parse(text);
  } catch {
    expected = undefined;
  }
  try {
    const value = inTime(() => parseJson(text));
    ensure(JSON.stringify(value) === JSON.stringify(expected), 'the same as JSON.parse');
    ensure(levels(value) <= MOST_JSON_LEVELS, 'nothing deep passes');
  } catch (error) {
    if (error instanceof SyntaxError) ensure(expected === undefined, 'JSON passes');
    else if (error instanceof RangeError) {
      ensure(expected === undefined || levels(expected) > MOST_JSON_LEVELS, 'flat JSON passes');
    } else throw error;
  }
}
