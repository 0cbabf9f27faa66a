import type { Span } from './kinds.ts';

/** Consecutive digit groups with one space or hyphen between them: `6222 0210 0111 1`. */
export type DigitRun = Span[];

/** A stretch of whole groups of a run. */
export type DigitWindow = Span & { digits: string; groups: readonly Span[] };

export function* digitRuns(text: string): Generator<DigitRun> {
  let run: DigitRun = [];
  for (const match of text.matchAll(/\d+/g)) {
    const group = { start: match.index, end: match.index + match[0].length };
    const last = run.at(-1);
    if (
      last !== undefined &&
      !(group.start === last.end + 1 && /[ -]/.test(text[last.end] ?? ''))
    ) {
      yield run;
      run = [];
    }
    run.push(group);
  }
  if (run.length > 0) yield run;
}

/**
 * All stretches of `fewest` to `most` digits, the longest first at each start. Only the last group
 * may be a single digit, so there are at most `most / 2` stretches from each group: linear.
 */
export function* digitWindows(
  text: string,
  run: DigitRun,
  fewest: number,
  most: number,
): Generator<DigitWindow> {
  for (const [first, { start }] of run.entries()) {
    const ends: DigitWindow[] = [];
    let digits = '';
    for (let last = first; last < run.length; last++) {
      const group = run[last] as Span;
      const length = group.end - group.start;
      if (digits.length + length > most) break;
      digits += text.slice(group.start, group.end);
      if (digits.length >= fewest) {
        ends.push({ start, end: group.end, digits, groups: run.slice(first, last + 1) });
      }
      if (length < 2) break;
    }
    yield* ends.reverse();
  }
}

/** ISO/IEC 7812-1 annex B (Luhn). */
export function luhn(digits: string): boolean {
  let sum = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = digits.charCodeAt(digits.length - 1 - at) - 48;
    const doubled = digit * 2;
    sum += at % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}
