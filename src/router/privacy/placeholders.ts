import { KIND_WORDS, type MaskKind } from './kinds.ts';
import type { Known } from './placeholder-reader.ts';

/** How many of each kind a text held. Safe to log. */
export type Counts = Partial<Record<MaskKind, number>>;

type Slot = { kind: MaskKind; number: number };
const slotKey = (kind: MaskKind, number: number) => `${KIND_WORDS[kind]}_${number}`;

/**
 * Which placeholder stands for which value, within one session. Immutable; a value keeps its placeholder
 * for as long as its table is carried on. The values are out of reach of JSON and of loggers: what
 * prints is the counts.
 *
 * A placeholder is written `[PHONE_1]`. Capitals, an underscore and square brackets are what language
 * models copy most faithfully: every tokenizer has them, they mean nothing in JSON strings and little in
 * Markdown, and they say what kind of thing stands there. Rare brackets (`⟦`) fall apart into bytes and
 * come back as others; angle brackets are taken for HTML.
 */
export class Placeholders implements Known {
  static readonly none = new Placeholders(new Map(), new Map(), new Set());

  readonly #slotOf: ReadonlyMap<string, Slot>;
  readonly #valueOf: ReadonlyMap<string, string>;
  readonly #reserved: ReadonlySet<string>;

  private constructor(
    slotOf: ReadonlyMap<string, Slot>,
    valueOf: ReadonlyMap<string, string>,
    reserved: ReadonlySet<string>,
  ) {
    this.#slotOf = slotOf;
    this.#valueOf = valueOf;
    this.#reserved = reserved;
  }

  get size(): number {
    return this.#valueOf.size;
  }

  counts(): Counts {
    const counts: Counts = {};
    for (const { kind } of this.#slotOf.values()) counts[kind] = (counts[kind] ?? 0) + 1;
    return counts;
  }

  has(word: string, number: number): boolean {
    return this.#valueOf.has(`${word}_${number}`);
  }

  /** Whether a number that begins with these digits (none: any number) is taken. */
  mayBegin(word: string, digits: string): boolean {
    const beginning = `${word}_${digits.replace(/^0+/, '')}`;
    for (const key of this.#valueOf.keys()) if (key.startsWith(beginning)) return true;
    return false;
  }

  /** What `[WORD_number]` stands for; undefined when it stands for nothing. */
  value(word: string, number: number): string | undefined {
    return this.#valueOf.get(`${word}_${number}`);
  }

  /** Numbers that users wrote themselves: they stay as they are and are never given to a value. */
  reserve(written: Iterable<{ word: string; number: number }>): Placeholders {
    const reserved = new Set(this.#reserved);
    for (const { word, number } of written) {
      const key = `${word}_${number}`;
      if (!this.#valueOf.has(key)) reserved.add(key);
    }
    return new Placeholders(this.#slotOf, this.#valueOf, reserved);
  }

  /** With a placeholder for each of the values; those that have one keep it. */
  with(values: Iterable<{ kind: MaskKind; value: string }>): Placeholders {
    const slotOf = new Map(this.#slotOf);
    const valueOf = new Map(this.#valueOf);
    const last = new Map<MaskKind, number>();
    for (const { kind, number } of slotOf.values()) {
      last.set(kind, Math.max(last.get(kind) ?? 0, number));
    }
    for (const { kind, value } of values) {
      const known = `${kind} ${value}`;
      if (slotOf.has(known)) continue;
      let number = (last.get(kind) ?? 0) + 1;
      while (this.#reserved.has(slotKey(kind, number))) number += 1;
      last.set(kind, number);
      slotOf.set(known, { kind, number });
      valueOf.set(slotKey(kind, number), value);
    }
    return new Placeholders(slotOf, valueOf, this.#reserved);
  }

  /** The placeholder of a value that the table has. */
  placeholder(kind: MaskKind, value: string): string {
    const slot = this.#slotOf.get(`${kind} ${value}`);
    if (slot === undefined) throw new RangeError(`no placeholder for this ${kind}`);
    return `[${slotKey(slot.kind, slot.number)}]`;
  }

  /** Every value with its kind, in the order in which they came. */
  *entries(): Generator<{ kind: MaskKind; value: string }> {
    for (const [known, { kind }] of this.#slotOf)
      yield { kind, value: known.slice(kind.length + 1) };
  }

  toJSON(): { counts: Counts } {
    return { counts: this.counts() };
  }
}
