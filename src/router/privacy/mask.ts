import type { ChatMessage } from '../../protocol/index.ts';
import { detect, DETECTORS } from './detect.ts';
import type { Detector, Finding, Kind, MaskKind, Span } from './kinds.ts';
import { createFinder } from './occurrences.ts';
import { type Known, readPlaceholders } from './placeholder-reader.ts';
import { Placeholders } from './placeholders.ts';

/** How often each kind was found. Safe to log. */
export type Findings = Partial<Record<Kind, number>>;

export type Masked = { messages: ChatMessage[]; replacements: Placeholders; findings: Findings };

type Patch = Span & { kind: MaskKind };

/** Shorter ones (a PIN) would be found inside other numbers; they are masked where they are detected. */
const SHORTEST_REPEATED = 6;

const ANY: Known = { has: () => true, mayBegin: () => true };

/**
 * Replaces every finding by a placeholder. `known` is the session's table so far: its values are found
 * again wherever they stand, also where no detector would see them (a password that was named once),
 * and keep their placeholders. The result's `replacements` is that table with the new values.
 *
 * Reversible for every text: `unmask(masked, replacements)` gives back each spelling as it was. Two
 * spellings of one number are two values. What the user wrote in the form of a placeholder is kept,
 * and its number is not given out; where it is taken already, the text itself is masked.
 *
 * @throws what a detector throws.
 */
export function mask(
  messages: readonly ChatMessage[],
  known: Placeholders = Placeholders.none,
  detectors: readonly Detector[] = DETECTORS,
): Masked {
  const texts = messages.map(({ content }) => content);
  const found = texts.map((text) => detect(text, detectors));
  const repeated = findRepeated(texts, found, known);
  const patches = texts.map((text, at) =>
    merge(found[at] as Finding[], repeated(text, found[at] as Finding[])),
  );

  const written = texts.map((text, at) => lookalikes(text, patches[at] as Patch[]));
  const colliding = written.map((list) =>
    list.filter(({ word, number }) => known.has(word, number)),
  );
  const all = patches.map((list, at) =>
    merge(
      list,
      (colliding[at] ?? []).map(({ start, end }): Patch => ({ start, end, kind: 'literal' })),
    ),
  );
  const replacements = known.reserve(written.flat()).with(
    all.flatMap((list, at) =>
      list.map(({ kind, start, end }) => ({
        kind,
        value: (texts[at] as string).slice(start, end),
      })),
    ),
  );
  return {
    messages: messages.map((message, at) => ({
      ...message,
      content: patched(message.content, all[at] as Patch[], replacements),
    })),
    replacements,
    findings: countKinds(patches.flat()),
  };
}

/** What texts hold, without masking them. @throws what a detector throws. */
export function countFindings(
  texts: readonly string[],
  detectors: readonly Detector[] = DETECTORS,
): Findings {
  return countKinds(texts.flatMap((text) => detect(text, detectors)));
}

function countKinds(found: readonly { kind: MaskKind }[]): Findings {
  const counts: Findings = {};
  for (const { kind } of found) {
    if (kind !== 'literal') counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** Finds the values of this request and of the session where no detector saw them. */
function findRepeated(
  texts: readonly string[],
  found: readonly Finding[][],
  known: Placeholders,
): (text: string, taken: readonly Finding[]) => Patch[] {
  const kinds = new Map<string, MaskKind>();
  const add = (value: string, kind: MaskKind) => {
    if (kind !== 'literal' && value.length >= SHORTEST_REPEATED && !kinds.has(value)) {
      kinds.set(value, kind);
    }
  };
  for (const { kind, value } of known.entries()) add(value, kind);
  for (const [at, list] of found.entries()) {
    for (const { kind, start, end } of list) add((texts[at] as string).slice(start, end), kind);
  }
  if (kinds.size === 0) return () => [];
  const finder = createFinder(kinds.keys());
  const kindOf = (value: string): MaskKind => kinds.get(value) ?? 'secret';
  return (text, taken) =>
    gaps(text, taken).flatMap(({ start, end }) =>
      finder(text.slice(start, end)).map((hit) => ({
        start: start + hit.start,
        end: start + hit.end,
        kind: kindOf(hit.value),
      })),
    );
}

/**
 * What the user wrote in a placeholder's form. Read gap by gap: in the masked text each gap stands
 * between brackets, so a name begins and ends there as it does at the text's ends.
 */
function lookalikes(text: string, taken: readonly Patch[]) {
  return gaps(text, taken).flatMap(({ start, end }) =>
    Array.from(readPlaceholders(text.slice(start, end), ANY), (written) => ({
      word: written.word,
      number: written.number,
      start: written.start + start,
      end: written.end + start,
    })),
  );
}

/** The stretches that no patch takes. */
function gaps(text: string, taken: readonly Span[]): Span[] {
  const ends = [0, ...taken.map(({ end }) => end)];
  const starts = [...taken.map(({ start }) => start), text.length];
  return ends.map((start, at) => ({ start, end: starts[at] as number }));
}

function merge(a: readonly Patch[], b: readonly Patch[]): Patch[] {
  return [...a, ...b].sort((left, right) => left.start - right.start);
}

function patched(text: string, patches: readonly Patch[], table: Placeholders): string {
  let out = '';
  let from = 0;
  for (const { kind, start, end } of patches) {
    out += text.slice(from, start) + table.placeholder(kind, text.slice(start, end));
    from = end;
  }
  return out + text.slice(from);
}
