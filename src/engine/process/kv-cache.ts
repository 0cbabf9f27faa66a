import type { ModelDimensions } from '../../protocol/index.ts';

/** Rows by which a cache grows: small enough not to waste memory, large enough to copy seldom. */
const BUCKET_ROWS = 256;

/** Most rows of one prefill step, and how many there are unless the governor wants smaller ones. */
export const MOST_CHUNK_ROWS = 128;

/** One (layer, key or value, KV head): append-only rows of `headDim` floats. */
type Lane = { input: string; output: string; rows: Float32Array };

/**
 * Keys and values of one sequence. The graph reads exact-length views of these arrays, which are
 * not copied on the way in, and returns only the new rows, which are appended.
 *
 * Invariants
 * - Rows [0, length) of every lane belong to tokens [0, length); they never change, only the length
 *   can go back (`truncate`).
 * - The first `prefilledRows` rows were computed in whole prefill chunks whose boundaries are
 *   multiples of `chunkRows`, so a new request may take them over and get bit for bit what it would
 *   have computed itself. Rows of decode steps and of a prompt's last, partial chunk are computed in
 *   steps of other sizes and are never taken over.
 * - A position's score is the log-probability of its token given the tokens before it, where somebody
 *   asked for it. It goes when its row goes.
 */
export class KvCache {
  readonly lanes: readonly Lane[];
  readonly #headDim: number;
  #capacity = 0;
  #tokens: number[] = [];
  readonly #scores = new Map<number, number>();
  #prefilledRows = 0;
  #chunkRows = MOST_CHUNK_ROWS;

  constructor(dimensions: ModelDimensions) {
    this.#headDim = dimensions.headDim;
    const lanes: Lane[] = [];
    for (let layer = 0; layer < dimensions.layers; layer++) {
      for (const part of ['key', 'value']) {
        for (let head = 0; head < dimensions.kvHeads; head++) {
          const name = `${layer}.${part}.${head}`;
          lanes.push({ input: `past.${name}`, output: `new.${name}`, rows: new Float32Array(0) });
        }
      }
    }
    this.lanes = lanes;
  }

  get length(): number {
    return this.#tokens.length;
  }

  /** Bytes that the cache holds, filled or not. */
  get bytes(): number {
    return this.lanes.length * this.#capacity * this.#headDim * Float32Array.BYTES_PER_ELEMENT;
  }

  get chunkRows(): number {
    return this.#chunkRows;
  }

  /** Another chunk size makes steps of other shapes: nothing computed before is taken over then. */
  useChunks(rows: number): void {
    if (rows === this.#chunkRows) return;
    this.truncate(0);
    this.#chunkRows = rows;
  }

  /** Keeps what `prompt` shares with the last sequence in whole chunks; returns the rows kept. */
  reuse(prompt: readonly number[]): number {
    // At least one token must run, or there would be no logits.
    const limit = Math.min(this.#prefilledRows, prompt.length - 1);
    let shared = 0;
    while (shared < limit && this.#tokens[shared] === prompt[shared]) shared += 1;
    const kept = Math.max(0, shared - (shared % this.#chunkRows));
    this.truncate(kept);
    if (kept === 0 && this.#capacity > 4 * bucketFor(prompt.length)) this.#resize(0);
    return kept;
  }

  truncate(rows: number): void {
    this.#tokens.length = Math.min(this.#tokens.length, rows);
    this.#prefilledRows = Math.min(this.#prefilledRows, rows);
    // A score belongs to the row after the one that gave it, so there may be one beyond the last row.
    for (const position of this.#scores.keys()) if (position >= rows) this.#scores.delete(position);
  }

  setScore(position: number, logprob: number): void {
    this.#scores.set(position, logprob);
  }

  scoreOf(position: number): number | undefined {
    return this.#scores.get(position);
  }

  /** Makes room for `rows` rows in all, without moving what is there more often than per bucket. */
  reserve(rows: number): void {
    if (rows > this.#capacity) this.#resize(bucketFor(rows));
  }

  /** The filled rows of a lane: a view, not a copy. */
  view(lane: Lane): Float32Array {
    return lane.rows.subarray(0, this.length * this.#headDim);
  }

  /** Takes the new rows of every lane. Call `reserve` first. */
  append(
    tokens: readonly number[],
    phase: 'prefill' | 'decode',
    rowsOf: (lane: Lane) => Float32Array,
  ) {
    const offset = this.length * this.#headDim;
    for (const lane of this.lanes) lane.rows.set(rowsOf(lane), offset);
    const wholeChunk = phase === 'prefill' && tokens.length === this.#chunkRows;
    if (wholeChunk && this.#prefilledRows === this.length) this.#prefilledRows += this.#chunkRows;
    for (const token of tokens) this.#tokens.push(token);
  }

  #resize(capacity: number): void {
    for (const lane of this.lanes) {
      const rows = new Float32Array(capacity * this.#headDim);
      if (capacity > 0) rows.set(this.view(lane));
      lane.rows = rows;
    }
    this.#capacity = capacity;
  }
}

const bucketFor = (rows: number): number => Math.ceil(rows / BUCKET_ROWS) * BUCKET_ROWS;
