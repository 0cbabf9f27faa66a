/** Bits per character under the run's own frequencies (Shannon). */
function entropyBits(run: string): number {
  const counts = new Map<string, number>();
  for (const character of run) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / run.length) * Math.log2(count / run.length);
  return bits;
}

/** Names are built of words; hardly any draw of 24 characters is cut this short by - and _. */
const SHORTEST_PART = 10;

const kindOf = (character: string): string =>
  /\d/.test(character) ? '0' : /[a-z]/.test(character) ? 'a' : /[A-Z]/.test(character) ? 'A' : '-';

/**
 * True for what a random generator writes in base64 or base62 and nobody else. A fair draw changes
 * between lower case, upper case and digits at 62 % of its steps and holds over 4 bits per character at
 * 24 characters; names, paths, topics, part numbers and hexadecimal digests stay below one of both.
 */
export function isRandomLooking(run: string): boolean {
  if (/^(?:0x)?[0-9a-f-]+$/i.test(run) || /^[0-9A-Z_-]+$/.test(run)) return false;
  if (run.split(/[-_/+=]/).every((part) => part.length < SHORTEST_PART)) return false;
  const count = (pattern: RegExp) => (run.match(pattern) ?? []).length;
  // Without a digit only long runs count: letters alone are how identifiers are built.
  if (count(/\d/g) < (run.length < 32 ? 2 : 1) || count(/[a-z]/g) < 4 || count(/[A-Z]/g) < 4)
    return false;
  let changes = 0;
  for (let at = 1; at < run.length; at++) {
    if (kindOf(run[at] as string) !== kindOf(run[at - 1] as string)) changes += 1;
  }
  return changes / (run.length - 1) >= 0.35 && entropyBits(run) >= 3.8;
}
