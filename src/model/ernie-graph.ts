import { FINAL_NORM, layerTensors } from './checkpoint.ts';
import type { ErnieConfig } from './config.ts';
import { GraphBuilder } from './graph-builder.ts';
import { type GraphOptions, Linears, type WeightJob } from './linears.ts';
import type { OnnxModel } from './onnx-schema.ts';

export type ErnieGraph = { model: OnnxModel; jobs: WeightJob[]; dataBytes: number };

/** Masks with this rather than -inf, so that a row of masked scores cannot become NaN. */
const MASKED = -1e30;

/**
 * Writes the graph that `protocol/model-manifest.ts` promises. One instance per conversion.
 *
 * Attention ("grp"): one pair of GEMMs per KV head over the cache as it was handed in, another over
 * the new rows; the two meet in the softmax. The cache is never copied, and only new rows come out.
 */
class ErnieWriter {
  readonly #graph = new GraphBuilder();
  readonly #linears: Linears;
  readonly #config: ErnieConfig;
  readonly #options: GraphOptions;

  constructor(config: ErnieConfig, options: GraphOptions) {
    this.#config = config;
    this.#options = options;
    this.#linears = new Linears(this.#graph, config, options);
  }

  write(): ErnieGraph {
    const graph = this.#graph;
    const { hidden, layers, vocab } = this.#config;
    const { promptScores } = this.#options;
    this.#declareInputs();
    this.#rotaryTables();
    this.#newRowsMask();

    const head = this.#linears.embedding('input_ids');
    let residual = head.embedded;
    let normed = graph.node(
      'SimplifiedLayerNormalization',
      [residual, this.#linears.gains(layerTensors(0).inputNorm)],
      { attributes: { axis: -1, epsilon: { float: this.#config.normEpsilon }, stash_type: 1 } },
    );
    for (let layer = 0; layer < layers; layer++) {
      const names = layerTensors(layer);
      const last = layer === layers - 1;
      let attended = this.#attention(layer, normed);
      if (last) {
        // Only rows that get logits are needed from here on; the K and V of all are already out.
        const index = promptScores ? 'head_rows' : graph.integers('last_row', [-1]);
        attended = graph.node('Gather', [attended, index], { attributes: { axis: 1 } });
        residual = graph.node('Gather', [residual, index], { attributes: { axis: 1 } });
      }
      const projected = this.#linears.linear(attended, `layer${layer}.o`, [names.o]);
      const middle = this.#addAndNorm(projected, residual, names.postNorm, `layer${layer}.mid`);
      const next = last ? FINAL_NORM : layerTensors(layer + 1).inputNorm;
      const fed = this.#feedForward(layer, middle.normed);
      ({ normed, residual } = this.#addAndNorm(fed, middle.residual, next, `layer${layer}.end`));
    }
    if (promptScores) {
      const rows = head.project(normed, 'row_logits');
      this.#logSumExp(rows);
      this.#scoreTargets(rows);
    } else {
      this.#logSumExp(head.project(normed, 'logits'));
      graph.output('logits', 'float32', [1, 1, vocab]);
      graph.output('logsumexp', 'float32', [1, 1, 1]);
    }
    return {
      model: graph.build(`ernie4_5_${hidden}x${layers}`),
      jobs: this.#linears.jobs,
      dataBytes: graph.dataBytes,
    };
  }

  /**
   * max + log Σ exp(x − max). Spelled out: for 103,424 logits these vectorised nodes take 0.07 ms where
   * onnxruntime's ReduceLogSumExp takes 0.57 ms (a loop in JavaScript 1.3 ms), and they sum pairwise,
   * so the result is exact to 1e-6 instead of 1e-4.
   */
  #logSumExp(logits: string): void {
    const graph = this.#graph;
    const axis = graph.integers('last_axis', [-1]);
    const largest = graph.node('ReduceMax', [logits, axis]);
    const powers = graph.node('Exp', [graph.node('Sub', [logits, largest])]);
    const sum = graph.node('Log', [graph.node('ReduceSum', [powers, axis])]);
    graph.node('Add', [sum, largest], { outputs: ['logsumexp'] });
  }

  /**
   * The logit of each row's target, and the whole logits of the last row only: of a prompt's rows that
   * is four bytes each to copy out instead of a row of the vocabulary.
   */
  #scoreTargets(rowLogits: string): void {
    const graph = this.#graph;
    const { vocab } = this.#config;
    graph.node('GatherElements', [rowLogits, 'targets'], {
      outputs: ['target_logits'],
      attributes: { axis: 2 },
    });
    graph.node('Gather', [rowLogits, graph.integers('last_row', [-1])], {
      outputs: ['logits'],
      attributes: { axis: 1 },
    });
    graph.output('logits', 'float32', [1, 1, vocab]);
    graph.output('logsumexp', 'float32', [1, 'scored', 1]);
    graph.output('target_logits', 'float32', [1, 'scored', 1]);
  }

  #declareInputs(): void {
    const { layers, kvHeads, headDim } = this.#config;
    this.#graph.input('input_ids', 'int64', [1, 'new']);
    this.#graph.input('position_ids', 'int64', [1, 'new']);
    this.#graph.input('past_length', 'int64', [1]);
    if (this.#options.promptScores) {
      this.#graph.input('head_rows', 'int64', ['scored']);
      this.#graph.input('targets', 'int64', [1, 'scored', 1]);
    }
    for (let layer = 0; layer < layers; layer++) {
      for (const kind of ['key', 'value']) {
        for (let g = 0; g < kvHeads; g++) {
          this.#graph.input(`past.${layer}.${kind}.${g}`, 'float32', [1, 'past', headDim]);
        }
      }
    }
  }

  #rotaryTables(): void {
    const positions = this.#options.contextTokens;
    const dims = [positions, this.#config.headDim / 2];
    const cosines = this.#graph.reserve('rotary.cos', 'float32', dims);
    const sines = this.#graph.reserve('rotary.sin', 'float32', dims);
    this.#linears.jobs.push({ kind: 'rotary', positions, cosines, sines });
  }

  /**
   * [S·group, S]: new row i may not look at a later new row j. Queries of a KV head's group lie
   * beside each other, so row r of the scores belongs to token r / group.
   */
  #newRowsMask(): void {
    const graph = this.#graph;
    const zero = graph.integers('int_0', 0);
    const one = graph.integers('int_1', 1);
    const group = graph.integers('group', this.#config.heads / this.#config.kvHeads);
    const shape = graph.node('Shape', ['position_ids']);
    const count = graph.node('Gather', [shape, one], { attributes: { axis: 0 } });
    const columns = graph.node('Range', [zero, count, one]);
    const scores = graph.node('Mul', [count, group]);
    const rows = graph.node('Div', [graph.node('Range', [zero, scores, one]), group]);
    const asColumn = graph.node('Unsqueeze', [rows, graph.integers('axis_1', [1])]);
    const later = graph.node('Greater', [columns, asColumn]);
    graph.node(
      'Where',
      [later, graph.floatConstant('masked', MASKED), graph.floatConstant('zero', 0)],
      { outputs: ['new_rows_mask'] },
    );
  }

  #addAndNorm(input: string, skip: string, gains: string, name: string) {
    const normed = `${name}.normed`;
    const residual = `${name}.residual`;
    this.#graph.contrib(
      'SkipSimplifiedLayerNormalization',
      [input, skip, this.#linears.gains(gains)],
      {
        outputs: [normed, '', '', residual],
        attributes: { epsilon: { float: this.#config.normEpsilon } },
      },
    );
    return { normed, residual };
  }

  #split(input: string, parts: string[]): void {
    if (parts.length === 1) this.#graph.node('Identity', [input], { outputs: parts });
    else {
      const attributes = { axis: -1, num_outputs: parts.length };
      this.#graph.node('Split', [input], { outputs: parts, attributes });
    }
  }

  #attention(layer: number, input: string): string {
    const graph = this.#graph;
    const { heads, kvHeads, headDim } = this.#config;
    const names = layerTensors(layer);
    const fused = this.#linears.linear(input, `layer${layer}.qkv`, [names.q, names.k, names.v]);
    const sizes = [heads * headDim, kvHeads * headDim, kvHeads * headDim];
    const [q, k, v] = ['q', 'k', 'v'].map((part) => `layer${layer}.${part}`) as [
      string,
      string,
      string,
    ];
    graph.node('Split', [fused, graph.integers('qkv_sizes', sizes)], {
      outputs: [q, k, v],
      attributes: { axis: -1 },
    });
    const rotate = (part: string, count: number) =>
      graph.contrib('RotaryEmbedding', [part, 'position_ids', 'rotary.cos', 'rotary.sin'], {
        attributes: { interleaved: 1, num_heads: count },
      });
    const perHead = (name: string) => Array.from({ length: kvHeads }, (_, g) => `${name}.${g}`);
    const queries = perHead(`layer${layer}.queries`);
    const keys = perHead(`new.${layer}.key`);
    const values = perHead(`new.${layer}.value`);
    this.#split(rotate(q, heads), queries);
    this.#split(rotate(k, kvHeads), keys);
    this.#split(v, values);
    const groups = queries.map((query, g) =>
      this.#attendGroup(query, keys[g] as string, values[g] as string, {
        key: `past.${layer}.key.${g}`,
        value: `past.${layer}.value.${g}`,
      }),
    );
    for (const rows of [...keys, ...values]) graph.output(rows, 'float32', [1, 'new', headDim]);
    return groups.length === 1
      ? (groups[0] as string)
      : graph.node('Concat', groups, { attributes: { axis: -1 } });
  }

  /** query [1,S,group·headDim], key and value [1,S,headDim], past [1,P,headDim] → [1,S,group·headDim]. */
  #attendGroup(
    query: string,
    key: string,
    value: string,
    past: { key: string; value: string },
  ): string {
    const graph = this.#graph;
    const { heads, kvHeads, headDim } = this.#config;
    const attributes = { transB: 1, alpha: { float: 1 / Math.sqrt(headDim) } };
    const asRows = graph.integers('as_rows', [1, -1, headDim]);
    const asTokens = graph.integers('as_tokens', [1, -1, (heads / kvHeads) * headDim]);
    const rows = graph.node('Reshape', [query, asRows]);
    const pastScores = graph.contrib('FusedMatMul', [rows, past.key], { attributes });
    const newScores = graph.node('Add', [
      graph.contrib('FusedMatMul', [rows, key], { attributes }),
      'new_rows_mask',
    ]);
    const scores = graph.node('Concat', [pastScores, newScores], { attributes: { axis: -1 } });
    const weights = graph.node('Softmax', [scores], { attributes: { axis: -1 } });
    const axis = graph.integers('axis_2', [2]);
    const start = graph.integers('slice_start', [0]);
    const end = graph.integers('slice_end', [2 ** 40]);
    const pastWeights = graph.node('Slice', [weights, start, 'past_length', axis]);
    const newWeights = graph.node('Slice', [weights, 'past_length', end, axis]);
    const sum = graph.node('Add', [
      graph.node('MatMul', [pastWeights, past.value]),
      graph.node('MatMul', [newWeights, value]),
    ]);
    return graph.node('Reshape', [sum, asTokens]);
  }

  /** SwiGLU: down(silu(gate(x)) · up(x)), gate and up in one product. */
  #feedForward(layer: number, input: string): string {
    const graph = this.#graph;
    const names = layerTensors(layer);
    const fused = this.#linears.linear(input, `layer${layer}.gate_up`, [names.gate, names.up]);
    const gate = `layer${layer}.gate`;
    const up = `layer${layer}.up`;
    this.#split(fused, [gate, up]);
    // x·sigmoid(alpha·x) with alpha 1 is silu.
    const activated = graph.contrib('QuickGelu', [gate], { attributes: { alpha: { float: 1 } } });
    const product = graph.node('Mul', [activated, up]);
    return this.#linears.linear(product, `layer${layer}.down`, [names.down]);
  }
}

/** Pure: describes the graph, and lists what must be written where. */
export function buildErnieGraph(config: ErnieConfig, options: GraphOptions): ErnieGraph {
  return new ErnieWriter(config, options).write();
}
