import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopScanner } from '../../../src/engine/process/stop-scanner.ts';

/** The definition, one character at a time: the match that is complete first, its longest form. */
function byDefinition(text: string, stops: string[]): { text: string; stopped: boolean } {
  for (let end = 1; end <= text.length; end++) {
    const found = stops
      .filter((stop) => text.slice(0, end).endsWith(stop))
      .toSorted((a, b) => b.length - a.length)[0];
    if (found !== undefined) return { text: text.slice(0, end - found.length), stopped: true };
  }
  return { text, stopped: false };
}

function scan(pieces: string[], stops: string[]) {
  const scanner = new StopScanner(stops);
  let text = '';
  for (const piece of pieces) {
    const scanned = scanner.push(piece);
    text += scanned.text;
    if (scanned.stopped) return { text, stopped: true };
  }
  return { text: text + scanner.flush(), stopped: false };
}

describe('StopScanner', () => {
  it('agrees with the definition however the text is cut', () => {
    // Two letters make overlaps and false beginnings likely.
    const word = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), fc.array(word, { maxLength: 3 }), (p, s) => {
        expect(scan(p, s)).toEqual(byDefinition(p.join(''), s));
      }),
      { numRuns: 2000 },
    );
  });

  it('holds back only what could begin a stop string', () => {
    const scanner = new StopScanner(['</end>']);
    expect(scanner.push('text <')).toEqual({ text: 'text ', stopped: false });
    expect(scanner.push('/e')).toEqual({ text: '', stopped: false });
    expect(scanner.push('x')).toEqual({ text: '</ex', stopped: false });
  });

  it('passes text at once when there are no stop strings', () => {
    expect(new StopScanner([]).push('abc')).toEqual({ text: 'abc', stopped: false });
  });
});
