import { readAttribute } from '../tree.ts';

/** What a quantity can be on a board that works; a number outside is a fault, not a reading. */
export type Bounds = { lowest: number; highest: number; unit: string };

export type WholeNumber = { ok: true; value: number } | { ok: false; reason: string };

/** More digits than any counter of the kernel's prints exactly as a JavaScript number. */
const WHOLE = /^-?\d{1,15}$/;

/** The start of a file's text, fit for a message whatever it holds. */
export const quoted = (text: string): string => JSON.stringify(text.slice(0, 20));

/**
 * Reads a kernel attribute that holds one whole number; never throws and never waits. Empty, text,
 * and numbers outside of `bounds` are reasons.
 */
export function readWhole(path: string, bounds: Bounds): WholeNumber {
  let read = readAttribute(path);
  // A simulated board rewrites files: between its truncating and writing one, the file is empty.
  if (read.ok && read.text === '') read = readAttribute(path);
  if (!read.ok) return read;
  const text = read.text.trim();
  if (!WHOLE.test(text))
    return { ok: false, reason: `${path}: ${quoted(text)} is no whole number` };
  const value = Number(text);
  if (value < bounds.lowest || value > bounds.highest) {
    return { ok: false, reason: `${path}: ${value} ${bounds.unit} is not plausible` };
  }
  return { ok: true, value };
}
