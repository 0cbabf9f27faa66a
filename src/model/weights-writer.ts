import type { Checkpoint } from './checkpoint.ts';
import type { WeightJob } from './linears.ts';
import type { WriteAt } from './disk.ts';
import type { Place } from './graph-builder.ts';
import { quantiseBlocks, quantiseChannels } from './quantise.ts';

/** Weights decoded at a time: 4 MB of float32, and a pause for the event loop after each. */
const BLOCK_WEIGHTS = 1 << 20;

/** Source weights that a job reads, for progress. */
export function weightsOf(job: WeightJob, checkpoint: Checkpoint): number {
  if (job.kind === 'rotary') return 0;
  const tensors = job.kind === 'blocks' ? [job.tensor] : job.tensors;
  return tensors.reduce((sum, tensor) => {
    const shape = checkpoint.shapes.get(tensor) ?? [];
    return sum + shape.reduce((a, b) => a * b, 1);
  }, 0);
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/**
 * Carries out the jobs of a graph: reads weights by blocks of rows, quantises them and writes them to
 * their places. Memory: one block, and one transposed matrix at a time (106 MB for a vocabulary-sized
 * one, else a few MB).
 */
export class WeightsWriter {
  readonly #checkpoint: Checkpoint;
  readonly #writeAt: WriteAt;
  /** Called with the number of weights done, after each block; may wait, or throw to stop. */
  readonly #onBlock: (weights: number) => Promise<void>;
  readonly #values = new Float32Array(BLOCK_WEIGHTS);

  constructor(
    checkpoint: Checkpoint,
    writeAt: WriteAt,
    onBlock: (weights: number) => Promise<void>,
  ) {
    this.#checkpoint = checkpoint;
    this.#writeAt = writeAt;
    this.#onBlock = onBlock;
  }

  async run(job: WeightJob): Promise<void> {
    switch (job.kind) {
      case 'copy':
        return await this.#copy(job.tensors, job.values);
      case 'channels':
        return await this.#channels(job);
      case 'blocks':
        return await this.#blocks(job);
      case 'rotary':
        return this.#rotary(job);
    }
  }

  /** Calls `each` with successive blocks of rows; the values are reused afterwards. */
  async #eachBlock(
    tensor: string,
    each: (values: Float32Array, firstRow: number, rows: number, columns: number) => void,
  ): Promise<void> {
    const shape = this.#checkpoint.shapes.get(tensor) ?? [];
    const [allRows, columns] =
      shape.length === 1 ? [1, shape[0] as number] : (shape as [number, number]);
    const step = Math.max(1, Math.floor(BLOCK_WEIGHTS / columns));
    for (let firstRow = 0; firstRow < allRows; firstRow += step) {
      const rows = Math.min(step, allRows - firstRow);
      this.#checkpoint.readRows(tensor, firstRow, rows, this.#values);
      each(this.#values.subarray(0, rows * columns), firstRow, rows, columns);
      await this.#onBlock(rows * columns);
    }
  }

  async #copy(tensors: string[], place: Place): Promise<void> {
    let position = place.offset;
    for (const tensor of tensors) {
      await this.#eachBlock(tensor, (values) => {
        this.#writeAt(bytesOf(values), position);
        position += values.byteLength;
      });
    }
  }

  async #channels(job: WeightJob & { kind: 'channels' }): Promise<void> {
    const allRows = job.scales.bytes / 4;
    const scales = new Float32Array(allRows);
    const matrix = new Uint8Array(job.weights.bytes);
    let stacked = 0;
    for (const tensor of job.tensors) {
      let read = 0;
      await this.#eachBlock(tensor, (values, firstRow, rows, columns) => {
        const shape = { rows, columns, firstRow: stacked + firstRow, allRows };
        quantiseChannels(values, shape, job.zeroPoint, matrix, scales);
        read += rows;
      });
      stacked += read;
    }
    this.#writeAt(matrix, job.weights.offset);
    this.#writeAt(bytesOf(scales), job.scales.offset);
  }

  async #blocks(job: WeightJob & { kind: 'blocks' }): Promise<void> {
    const scales = new Float32Array(job.scales.bytes / 4);
    const quantised = new Uint8Array(BLOCK_WEIGHTS);
    await this.#eachBlock(job.tensor, (values, firstRow, _rows, columns) => {
      const first = firstRow * columns;
      const blockScales = scales.subarray(first / job.block);
      quantiseBlocks(values, values.length, job.block, quantised, blockScales);
      this.#writeAt(quantised.subarray(0, values.length), job.weights.offset + first);
    });
    this.#writeAt(bytesOf(scales), job.scales.offset);
  }

  /** Angle of position p, pair i: p · theta^(−2i/headDim), the frequency rounded to float32 as in training. */
  #rotary(job: WeightJob & { kind: 'rotary' }): void {
    const { headDim, ropeTheta } = this.#checkpoint.config;
    const half = headDim / 2;
    const cosines = new Float32Array(job.positions * half);
    const sines = new Float32Array(job.positions * half);
    for (let i = 0; i < half; i++) {
      const frequency = Math.fround(ropeTheta ** ((-2 * i) / headDim));
      for (let position = 0; position < job.positions; position++) {
        cosines[position * half + i] = Math.cos(position * frequency);
        sines[position * half + i] = Math.sin(position * frequency);
      }
    }
    this.#writeAt(bytesOf(cosines), job.cosines.offset);
    this.#writeAt(bytesOf(sines), job.sines.offset);
  }
}
