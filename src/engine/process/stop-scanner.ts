/** What may go out now, and whether a stop string has ended the answer. */
export type Scanned = { text: string; stopped: boolean };

/**
 * Finds stop strings in text that arrives in pieces. Text that could still turn out to be the
 * beginning of a stop string is held back. The match that is complete first ends the answer (the
 * longest of those that end there), whichever way the text was cut, and is not part of it.
 */
export class StopScanner {
  readonly #stops: readonly string[];
  readonly #longest: number;
  #held = '';

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== '');
    this.#longest = Math.max(0, ...this.#stops.map((stop) => stop.length));
  }

  push(piece: string): Scanned {
    if (this.#longest === 0) return { text: piece, stopped: false };
    const text = this.#held + piece;
    const cut = this.#firstMatch(text);
    if (cut !== undefined) {
      this.#held = '';
      return { text: text.slice(0, cut), stopped: true };
    }
    const keep = this.#beginningAtEnd(text);
    this.#held = text.slice(text.length - keep);
    return { text: text.slice(0, text.length - keep), stopped: false };
  }

  /** The end of the answer: what was held back was no stop string after all. */
  flush(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  #firstMatch(text: string): number | undefined {
    let firstEnd = Number.POSITIVE_INFINITY;
    let start: number | undefined;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at < 0) continue;
      const end = at + stop.length;
      if (end < firstEnd || (end === firstEnd && at < (start as number))) {
        firstEnd = end;
        start = at;
      }
    }
    return start;
  }

  #beginningAtEnd(text: string): number {
    for (let length = Math.min(this.#longest - 1, text.length); length > 0; length--) {
      const end = text.slice(text.length - length);
      if (this.#stops.some((stop) => stop.length > length && stop.startsWith(end))) return length;
    }
    return 0;
  }
}
