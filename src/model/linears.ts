import type { ModelForm, ModelTarget } from '../protocol/index.ts';
import { EMBEDDING, expectedTensors, HEAD } from './checkpoint.ts';
import type { ErnieConfig } from './config.ts';
import { ModelError } from './errors.ts';
import type { GraphBuilder, Place } from './graph-builder.ts';
import { UNSIGNED_ZERO_POINT } from './quantise.ts';

/** What must be written at which place of the data file; sources are checkpoint tensors. */
export type WeightJob =
  /** Float32 rows of the tensors, one after the other. */
  | { kind: 'copy'; tensors: string[]; values: Place }
  /** 8 bit with one scale per output channel, rows of all tensors stacked, stored as [in, out]. */
  | {
      kind: 'channels';
      tensors: string[];
      zeroPoint: 0 | typeof UNSIGNED_ZERO_POINT;
      weights: Place;
      scales: Place;
    }
  /** Unsigned 8 bit around 128, one scale per `block` values of a row, stored as [out, in]. */
  | { kind: 'blocks'; tensor: string; block: number; weights: Place; scales: Place }
  /** Cosines and sines, [positions, headDim/2] each. */
  | { kind: 'rotary'; positions: number; cosines: Place; sines: Place };

export type GraphOptions = {
  form: ModelForm;
  target: ModelTarget;
  contextTokens: number;
  /** Whether any row of a step can be scored, not only the last one. */
  promptScores: boolean;
};

/** A block-quantised [vocab, hidden] matrix in the data file. */
type BlockMatrix = { block: number; weights: Place; scales: Place };

/** The allowed sizes of MatMulNBits, best first: 128 measured smaller and faster than 32. */
const BLOCK_SIZES = [128, 64, 32, 16];

export function blockSize(hidden: number): number {
  const block = BLOCK_SIZES.find((size) => hidden % size === 0);
  if (block === undefined) {
    throw new ModelError(
      'unsupported_config',
      'hidden_size',
      `config.json: hidden_size ${hidden} must be a multiple of 16 to be quantised`,
    );
  }
  return block;
}

/**
 * The nodes that carry weights: each call adds nodes to the graph and a job for the bytes.
 *
 * INT8 linears ("rowq"): each activation row is divided by its own largest magnitude and rounded to u8
 * around 128, multiplied by 8-bit weights with a scale per output channel, and multiplied back. A row
 * depends on itself alone, so the result does not depend on how a prompt is cut into chunks.
 *
 * On x86 without VNNI onnxruntime sums u8×s8 products in pairs in 16 bits with saturation, which
 * ruins answers (its session option `session.x64quantprecision` exists for that); u8×u8 goes through
 * an exact kernel, so weights are stored unsigned there.
 */
export class Linears {
  readonly jobs: WeightJob[] = [];
  readonly #graph: GraphBuilder;
  readonly #config: ErnieConfig;
  readonly #options: GraphOptions;
  readonly #shapes: ReadonlyMap<string, number[]>;

  constructor(graph: GraphBuilder, config: ErnieConfig, options: GraphOptions) {
    this.#graph = graph;
    this.#config = config;
    this.#options = options;
    this.#shapes = expectedTensors(config);
  }

  /** Reserves a norm's gains and gives their name. */
  gains(tensor: string): string {
    const values = this.#graph.reserve(tensor, 'float32', [this.#config.hidden]);
    this.jobs.push({ kind: 'copy', tensors: [tensor], values });
    return tensor;
  }

  /** input · [tensors stacked]ᵀ, where all tensors are [out, in] of one `in`. */
  linear(input: string, name: string, tensors: string[], output = `${name}.out`): string {
    const shapes = tensors.map((tensor) => this.#shapes.get(tensor) as [number, number]);
    const columns = (shapes[0] as [number, number])[1];
    const rows = shapes.reduce((sum, shape) => sum + shape[0], 0);
    if (this.#options.form === 'fp32') {
      const values = this.#graph.reserve(`${name}.weight`, 'float32', [rows, columns]);
      this.jobs.push({ kind: 'copy', tensors, values });
      return this.#floatProduct(input, `${name}.weight`, name, output);
    }
    const unsigned = this.#options.target === 'avx2';
    const type = unsigned ? 'uint8' : 'int8';
    const weights = this.#graph.reserve(`${name}.weight`, type, [columns, rows]);
    const scales = this.#graph.reserve(`${name}.scale`, 'float32', [rows]);
    const zeroPoint = unsigned ? UNSIGNED_ZERO_POINT : 0;
    this.jobs.push({ kind: 'channels', tensors, zeroPoint, weights, scales });
    return this.#int8Product(input, name, output, unsigned);
  }

  #floatProduct(input: string, weight: string, name: string, output: string): string {
    const options = { name, outputs: [output], attributes: { transB: 1 } };
    return this.#graph.contrib('FusedMatMul', [input, weight], options);
  }

  #int8Product(input: string, name: string, output: string, unsigned: boolean): string {
    const graph = this.#graph;
    const magnitude = graph.node('ReduceMax', [
      graph.node('Abs', [input]),
      graph.integers('last_axis', [-1]),
    ]);
    // A row of zeros must stay zeros, not become 0/0.
    const rowScale = graph.node('Add', [magnitude, graph.floatConstant('tiny', 1e-10)]);
    const step = graph.floatConstant('step', 1 / 127);
    const middle = graph.byteConstant('middle', 128);
    const scaled = graph.node('Div', [input, rowScale]);
    const quantised = graph.node('QuantizeLinear', [scaled, step, middle]);
    const factors = [quantised, `${name}.weight`, step, `${name}.scale`, middle];
    if (unsigned) factors.push(middle);
    const product = graph.contrib('MatMulIntegerToFloat', factors, { name });
    return graph.node('Mul', [product, rowScale], { outputs: [output] });
  }

  /** Rows of the embedding for `input_ids`, and the head, which may share the embedding's bytes. */
  embedding(ids: string): { embedded: string; project: (input: string, output: string) => string } {
    const graph = this.#graph;
    const { tied, vocab, hidden } = this.#config;
    const headTensor = tied ? EMBEDDING : HEAD;
    if (this.#options.form === 'fp32') {
      const values = graph.reserve('embedding.weight', 'float32', [vocab, hidden]);
      this.jobs.push({ kind: 'copy', tensors: [EMBEDDING], values });
      return {
        embedded: graph.node('Gather', ['embedding.weight', ids], { attributes: { axis: 0 } }),
        project: (input, output) =>
          tied
            ? this.#floatProduct(input, 'embedding.weight', 'head', output)
            : this.linear(input, 'head', [HEAD], output),
      };
    }
    const matrix = this.#reserveBlocks('embedding', EMBEDDING);
    const attributes = { bits: 8, block_size: matrix.block, gather_axis: 0, quantize_axis: 1 };
    const tables = ['embedding.weight', ids, 'embedding.scale'];
    return {
      embedded: graph.contrib('GatherBlockQuantized', tables, { attributes }),
      project: (input, output) => {
        // Without 8-bit dot products that kernel would unpack the whole head to fp32 at each step.
        if (this.#options.target !== 'dotprod') {
          return this.linear(input, 'head', [headTensor], output);
        }
        const rows = tied ? matrix : this.#reserveBlocks('head', HEAD);
        return this.#blockProduct(input, rows, output);
      },
    };
  }

  #reserveBlocks(name: string, tensor: string): BlockMatrix {
    const { vocab, hidden } = this.#config;
    const block = blockSize(hidden);
    const weights = this.#graph.reserve(`${name}.weight`, 'uint8', [vocab, hidden]);
    const scales = this.#graph.reserve(`${name}.scale`, 'float32', [vocab, hidden / block]);
    this.jobs.push({ kind: 'blocks', tensor, block, weights, scales });
    return { block, weights, scales };
  }

  /** The same bytes as the matrix, under names and in shapes that MatMulNBits asks for. */
  #blockProduct(input: string, { block, weights, scales }: BlockMatrix, output: string): string {
    const { vocab, hidden } = this.#config;
    const perRow = hidden / block;
    const names = [
      this.#graph.share('head.weight', 'uint8', [vocab, perRow, block], weights),
      this.#graph.share('head.scale', 'float32', [vocab, perRow], scales),
    ];
    return this.#graph.contrib('MatMulNBits', [input, ...names], {
      name: 'head',
      outputs: [output],
      attributes: { K: hidden, N: vocab, bits: 8, block_size: block, accuracy_level: 4 },
    });
  }
}
