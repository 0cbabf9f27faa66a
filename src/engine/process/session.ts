import { join } from 'node:path';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { GRAPH_FILE, type ModelManifest } from '../../protocol/index.ts';
import type { KvCache } from './kv-cache.ts';
import { LoadError } from './load-error.ts';
import { logprob } from './logprobs.ts';
import type { ScoredRows } from './signals.ts';

/** The last token's raw logits [vocab], and log Σ exp over them. */
export type StepOutput = {
  logits: Float32Array;
  logSumExp: number;
  /** ln P(target) of each scored row; empty without any. */
  scores: number[];
};

type Runtime = typeof import('onnxruntime-node');

/**
 * x86 without VNNI sums u8×s8 products with saturation, which ruins answers. Folders made on such a
 * machine hold unsigned weights; for one that comes from elsewhere this makes onnxruntime turn the
 * weights round when it opens them. Other CPUs ignore it.
 */
export const EXACT_PRODUCTS = { x64quantprecision: '1' };

/**
 * onnxruntime's workers go on spinning for tens of milliseconds after a step, waiting for the next.
 * Under a watt budget there is a pause instead, and that spinning is half as much again of the step's
 * CPU time, paid and booked by nobody. They stop with the step; inside it they may spin.
 */
const REST_BETWEEN_STEPS = { force_spinning_stop: '1' };

/**
 * The graph, opened. One step runs at a time; a step blocks this process's JavaScript thread, which
 * is why the engine has a process of its own.
 */
export class EngineSession {
  readonly #session: InferenceSession;
  readonly #tensorOf: Runtime['Tensor'];
  readonly #manifest: ModelManifest;
  /** What a step returns; built once, the runtime only reads the names. */
  readonly #fetches: Record<string, null>;
  readonly #scoringFetches: Record<string, null>;
  readonly #oneId = new BigInt64Array(1);
  readonly #onePosition = new BigInt64Array(1);
  readonly #pastLength = new BigInt64Array(1);
  readonly #lastRow = new BigInt64Array(1);
  readonly #noTarget = new BigInt64Array(1);

  private constructor(runtime: Runtime, session: InferenceSession, manifest: ModelManifest) {
    this.#session = session;
    this.#tensorOf = runtime.Tensor;
    this.#manifest = manifest;
    const fetch = (names: readonly string[]) =>
      Object.fromEntries(names.map((name) => [name, null]));
    this.#fetches = fetch(session.outputNames.filter((name) => name !== 'target_logits'));
    this.#scoringFetches = fetch(session.outputNames);
  }

  /** @throws LoadError when the runtime refuses the graph or the graph is not the manifest's. */
  static async open(
    folder: string,
    manifest: ModelManifest,
    cache: KvCache,
    threads: number,
  ): Promise<EngineSession> {
    // Read by the runtime's constructor: without it, onnxruntime 1.30 writes telemetry files and
    // holds an upload address. The supervisor sets it as well; whoever starts this by hand may not.
    process.env['ORT_DISABLE_TELEMETRY'] = '1';
    const runtime = await import('onnxruntime-node');
    let session: InferenceSession;
    try {
      session = await runtime.InferenceSession.create(join(folder, GRAPH_FILE), {
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        // A pattern is planned anew for every length of the cache and then kept: memory for nothing.
        enableMemPattern: false,
        logSeverityLevel: 3,
        extra: { session: { ...EXACT_PRODUCTS, ...REST_BETWEEN_STEPS } },
      });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new LoadError('model_corrupt', `onnxruntime refuses ${GRAPH_FILE}: ${why}`, {
        param: GRAPH_FILE,
        cause: error,
      });
    }
    const missing = [
      ...[
        'input_ids',
        'position_ids',
        'past_length',
        ...(manifest.promptScores ? ['head_rows', 'targets'] : []),
        ...cache.lanes.map((lane) => lane.input),
      ].filter((name) => !session.inputNames.includes(name)),
      ...[
        'logits',
        'logsumexp',
        ...(manifest.promptScores ? ['target_logits'] : []),
        ...cache.lanes.map((lane) => lane.output),
      ].filter((name) => !session.outputNames.includes(name)),
    ];
    if (missing.length > 0) {
      await session.release();
      throw new LoadError('model_corrupt', `${GRAPH_FILE} has no ${missing[0]}`, {
        param: GRAPH_FILE,
      });
    }
    return new EngineSession(runtime, session, manifest);
  }

  get vocab(): number {
    return this.#manifest.dimensions.vocab;
  }

  /** Whether `step` takes `scored`. */
  get scoresPrompts(): boolean {
    return this.#manifest.promptScores;
  }

  /**
   * Runs `tokens` after what the cache holds, and appends their rows to it.
   * @param scored rows to score; the last row's logits come out in any case
   */
  async step(
    tokens: readonly number[],
    phase: 'prefill' | 'decode',
    cache: KvCache,
    scored?: ScoredRows,
  ): Promise<StepOutput> {
    const past = cache.length;
    const count = tokens.length;
    cache.reserve(past + count);
    const TensorOf = this.#tensorOf;
    const ids = count === 1 ? this.#oneId : new BigInt64Array(count);
    const positions = count === 1 ? this.#onePosition : new BigInt64Array(count);
    for (let index = 0; index < count; index++) {
      ids[index] = BigInt(tokens[index] as number);
      positions[index] = BigInt(past + index);
    }
    this.#pastLength[0] = BigInt(past);
    const feeds: Record<string, Tensor> = {
      input_ids: new TensorOf('int64', ids, [1, count]),
      position_ids: new TensorOf('int64', positions, [1, count]),
      past_length: new TensorOf('int64', this.#pastLength, [1]),
    };
    if (this.#manifest.promptScores) this.#feedScoring(feeds, count, scored);
    const shape = [1, past, this.#manifest.dimensions.headDim];
    for (const lane of cache.lanes) {
      feeds[lane.input] = new TensorOf('float32', cache.view(lane), shape);
    }
    const outputs = await this.#session.run(feeds, scored ? this.#scoringFetches : this.#fetches);
    cache.append(tokens, phase, (lane) => outputs[lane.output]?.data as Float32Array);
    const logSumExps = outputs['logsumexp']?.data as Float32Array;
    const targetLogits = outputs['target_logits']?.data as Float32Array | undefined;
    return {
      logits: outputs['logits']?.data as Float32Array,
      logSumExp: logSumExps.at(-1) as number,
      scores: (scored?.targets ?? []).map((_, row) =>
        logprob(targetLogits?.[row] as number, logSumExps[row] as number),
      ),
    };
  }

  #feedScoring(feeds: Record<string, Tensor>, count: number, scored: ScoredRows | undefined): void {
    const TensorOf = this.#tensorOf;
    if (scored === undefined) {
      this.#lastRow[0] = BigInt(count - 1);
      feeds['head_rows'] = new TensorOf('int64', this.#lastRow, [1]);
      feeds['targets'] = new TensorOf('int64', this.#noTarget, [1, 1, 1]);
      return;
    }
    const rows = count - scored.from;
    const headRows = BigInt64Array.from({ length: rows }, (_, row) => BigInt(scored.from + row));
    // The prompt's very last row has no target: it is scored for token 0, which nobody reads.
    const targets = BigInt64Array.from({ length: rows }, (_, row) =>
      BigInt(scored.targets[row] ?? 0),
    );
    feeds['head_rows'] = new TensorOf('int64', headRows, [rows]);
    feeds['targets'] = new TensorOf('int64', targets, [1, rows, 1]);
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}
