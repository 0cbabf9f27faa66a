import { readFileSync } from 'node:fs';

/** User and assistant turns in alternation, user first, and the answer that is right; null if none is. */
export type EvalPrompt = { task: string; messages: string[]; answer: string | null };

export function readPrompts(file: string | URL): EvalPrompt[] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as EvalPrompt);
}

const LETTER = /[\p{Script=Latin}]/u;
const HAN = /\p{Script=Han}/u;

/**
 * The prompt with one typing error in its last turn: two Latin letters swapped, or a Latin letter or a
 * Han character lost. Digits stay, so the right answer stays as well. Undefined if nothing can go wrong.
 */
export function withTypo(prompt: EvalPrompt, random: () => number): EvalPrompt | undefined {
  const last = Array.from(prompt.messages.at(-1) ?? '');
  const places = last.flatMap((character, at) =>
    LETTER.test(character) || HAN.test(character) ? [at] : [],
  );
  if (places.length === 0) return undefined;
  const at = places[Math.floor(random() * places.length)] as number;
  const next = last[at + 1];
  if (
    next !== undefined &&
    LETTER.test(last[at] as string) &&
    LETTER.test(next) &&
    random() < 0.5
  ) {
    [last[at], last[at + 1]] = [next, last[at] as string];
  } else last.splice(at, 1);
  return { ...prompt, messages: [...prompt.messages.slice(0, -1), last.join('')] };
}

/** Uniform in [0, 1): Marsaglia's 32-bit xorshift (13, 17, 5). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
