import { KIND_WORDS } from './kinds.ts';

/** A placeholder as it stands in a text, whatever its case, spacing and brackets. */
export type Written = { start: number; end: number; word: string; number: number };

/** Which placeholders count. `mayBegin` takes the digits that are there so far, maybe none. */
export type Known = {
  has(word: string, number: number): boolean;
  mayBegin(word: string, digits: string): boolean;
};

const WORDS: readonly string[] = Object.values(KIND_WORDS);
const OPENING = /[[［【〔⟦]/;
const CLOSING = /[\]］】〕⟧]/;
/** What would make `PHONE_1` a part of a longer name. Chinese characters on either side do not. */
const NAME_CHARACTER = /[A-Za-z0-9_Ａ-Ｚａ-ｚ０-９＿]/;
const LETTERS = /[A-Za-zＡ-Ｚａ-ｚ]{0,10}/y;
const DIGITS = /[0-9０-９]{0,6}/y;
const SPACES = / {0,2}/y;
const LOOSE_JOINT = / {0,2}\\?[_＿-]? {0,2}/y;
const STRICT_JOINT = /\\?[_＿]?/y;

function take(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}

/**
 * Reads the placeholder that begins at `start`, in the forms that models turn it into: `[phone_1]`,
 * `[PHONE 1]`, `[PHONE-1]`, `【PHONE_1】`, `\[PHONE\_1\]`, full-width letters and digits, and PHONE_1
 * without brackets. `unfinished`: the text ends here while it could still become a known one; never
 * answered when the text is `complete`.
 */
export function readPlaceholder(
  text: string,
  start: number,
  known: Known,
  complete: boolean,
): Written | 'no' | 'unfinished' {
  let at = start;
  const escaped = text[at] === '\\';
  if (escaped) at += 1;
  const open = OPENING.test(text[at] ?? '');
  const atEnd = () => at >= text.length;
  const ended = (possible: boolean) => (possible && !complete ? 'unfinished' : 'no');

  if (escaped && !open)
    return atEnd() ? ended(WORDS.some((word) => known.mayBegin(word, ''))) : 'no';
  if (open) at += 1 + take(SPACES, text, at + 1).length;
  else if (start > 0 && NAME_CHARACTER.test(text[start - 1] as string)) return 'no';

  const letters = take(LETTERS, text, at);
  at += letters.length;
  if (!open && letters === '') return 'no';
  const name = letters.normalize('NFKC').toUpperCase();
  if (atEnd())
    return ended(WORDS.some((word) => word.startsWith(name) && known.mayBegin(word, '')));
  if (!WORDS.includes(name)) return 'no';

  const joint = take(open ? LOOSE_JOINT : STRICT_JOINT, text, at);
  at += joint.length;
  if (!open && !atEnd() && !/[_＿]$/.test(joint)) return 'no';
  const digits = take(DIGITS, text, at).normalize('NFKC');
  at += digits.length;
  const number = Number(digits);
  const isKnown = digits !== '' && known.has(name, number);
  if (!open) {
    if (atEnd() && !complete) return ended(known.mayBegin(name, digits));
    const glued = !atEnd() && NAME_CHARACTER.test(text[at] as string);
    return isKnown && !glued ? { start, end: at, word: name, number } : 'no';
  }
  if (atEnd()) return ended(known.mayBegin(name, digits));
  if (!isKnown) return 'no';
  at += take(SPACES, text, at).length;
  if (escaped && text[at] === '\\') at += 1;
  else if (escaped && !atEnd()) return 'no';
  if (atEnd()) return ended(true);
  return CLOSING.test(text[at] as string) ? { start, end: at + 1, word: name, number } : 'no';
}

/** All placeholders of a complete text that count, from left to right. */
export function* readPlaceholders(text: string, known: Known): Generator<Written> {
  const candidate = /[\\[［【〔⟦A-Za-zＡ-Ｚａ-ｚ]/g;
  for (let match = candidate.exec(text); match !== null; match = candidate.exec(text)) {
    const reading = readPlaceholder(text, match.index, known, true);
    if (typeof reading === 'string') continue;
    yield reading;
    candidate.lastIndex = reading.end;
  }
}
