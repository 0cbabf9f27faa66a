import { BACKSLASH, CLOSED, DEAD, nextInString, PLAIN, TAIL } from './string-bytes.ts';
import type { Vocabulary } from './vocabulary.ts';

/**
 * What each token does inside a string: the whole vocabulary walked once per state, since bounds of
 * length only filter the outcome. Parallel lists.
 */
export type StringTable = {
  /** Tokens that stay inside the string. */
  tokens: Int32Array;
  /** Characters that each finishes. */
  characters: Uint8Array;
  /** Bytes that its last, unfinished character lacks; 0 when there is none. */
  tails: Uint8Array;
  /** Trie nodes that close the string, and characters finished until then. */
  exits: Int32Array;
  exitCharacters: Uint8Array;
  longest: number;
};

export class StringTables {
  readonly #vocabulary: Vocabulary;
  readonly #tables = new Map<number, StringTable>();
  #keyTable: StringTable | undefined;
  /** Fewest tokens that write so many characters exactly. */
  readonly #fewest: number[] = [0];
  #lengths: number[] | undefined;

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  /** From inside a character (`state` of string-bytes) or between two. */
  of(state: number): StringTable {
    let table = this.#tables.get(state);
    if (table === undefined) {
      table = walk(this.#vocabulary, state, true);
      this.#tables.set(state, table);
    }
    return table;
  }

  /** Keys that are not the schema's own: no escapes, and tokens hold whole characters only. */
  ofKeys(): StringTable {
    this.#keyTable ??= walk(this.#vocabulary, PLAIN, false);
    return this.#keyTable;
  }

  fewestTokens(characters: number): number {
    this.#lengths ??= [...new Set(wholeLengths(this.of(PLAIN)))];
    for (let count = this.#fewest.length; count <= characters; count++) {
      let fewest = count;
      for (const length of this.#lengths) {
        if (length <= count) {
          fewest = Math.min(fewest, 1 + (this.#fewest[count - length] as number));
        }
      }
      this.#fewest.push(fewest);
    }
    return this.#fewest[characters] as number;
  }
}

function wholeLengths({ characters, tails }: StringTable): number[] {
  return [...characters].filter((count, index) => count > 0 && tails[index] === 0);
}

function walk(vocabulary: Vocabulary, from: number, asValue: boolean): StringTable {
  const { nodes, depth, byte, end, tokensFrom } = vocabulary;
  const tokens: number[] = [];
  const characters: number[] = [];
  const tails: number[] = [];
  const exits: number[] = [];
  const exitCharacters: number[] = [];
  const stateAt = new Uint8Array(256);
  const countAt = new Uint8Array(256);
  stateAt[0] = from;
  let longest = 0;
  for (let node = 1; node < nodes;) {
    const level = depth[node] as number;
    const value = byte[node] as number;
    const state = stateAt[level - 1] as number;
    const count = countAt[level - 1] as number;
    const next = asValue || value !== BACKSLASH ? nextInString(state, value) : DEAD;
    if (next === DEAD || next === CLOSED) {
      if (next === CLOSED) {
        exits.push(node);
        exitCharacters.push(count);
      }
      node = end[node] as number;
      continue;
    }
    const finished = next === PLAIN ? count + 1 : count;
    stateAt[level] = next;
    countAt[level] = finished;
    longest = Math.max(longest, finished);
    const tail = TAIL[next] as number;
    if (asValue || tail === 0) {
      for (let at = tokensFrom[node] as number; at < (tokensFrom[node + 1] as number); at++) {
        tokens.push(vocabulary.tokens[at] as number);
        characters.push(finished);
        tails.push(tail);
      }
    }
    node += 1;
  }
  return {
    tokens: Int32Array.from(tokens),
    characters: Uint8Array.from(characters),
    tails: Uint8Array.from(tails),
    exits: Int32Array.from(exits),
    exitCharacters: Uint8Array.from(exitCharacters),
    longest,
  };
}
