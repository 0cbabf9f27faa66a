import type { Span } from './kinds.ts';

/** A text as the detectors read it, and the way back to the text as it was written. */
export type Folded = { text: string; toSource(span: Span): Span };

/** Soft hyphens, zero-width characters, direction marks, variation selectors. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/u;
const ASCII_ONLY = /^[\0-\x7F]*$/;

/**
 * NFKC, character by character, with dashes, quotes and primes made ASCII and invisible characters
 * taken out: `１３８\u200B００１３８０００` reads as a phone number like any other. Whole-text NFKC would
 * also compose accents across characters, which no detector needs and which has no way back.
 */
export function fold(source: string): Folded {
  if (ASCII_ONLY.test(source)) return { text: source, toSource: (span) => span };
  // One character may unfold into many (U+FDFA into 18), so the table grows with the text it maps.
  const startOf: number[] = [];
  const endOf: number[] = [];
  const parts: string[] = [];
  let at = 0;
  for (const character of source) {
    const next = at + character.length;
    const folded = foldCharacter(character);
    for (let unit = 0; unit < folded.length; unit++) {
      startOf.push(at);
      endOf.push(next);
    }
    parts.push(folded);
    at = next;
  }
  return {
    text: parts.join(''),
    toSource: ({ start, end }) =>
      end <= start
        ? { start: startOf[start] ?? source.length, end: startOf[start] ?? source.length }
        : { start: startOf[start] as number, end: endOf[end - 1] as number },
  };
}

function foldCharacter(character: string): string {
  const code = character.codePointAt(0) as number;
  if (code < 0x80 || (code >= 0x4e00 && code <= 0x9fff)) return character;
  if (INVISIBLE.test(character)) return '';
  if (/[\p{Pd}\u2212]/u.test(character)) return '-';
  if (/[\u2018\u2019\u02B9\u2032\u00B4]/.test(character)) return "'";
  if (/[\u201C\u201D\u2033]/.test(character)) return '"';
  return /\p{Zs}/u.test(character) ? ' ' : character.normalize('NFKC');
}
