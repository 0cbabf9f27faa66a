import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { EXACT_PRODUCTS } from '../../../src/engine/process/session.ts';
import { GRAPH_FILE, type ModelManifest } from '../../../src/protocol/index.ts';

export type Step = { logits: Float32Array; logsumexp: number; newRows: Map<string, number[]> };

/** Drives a converted graph as the manifest's docstring describes it, with nothing of the engine. */
export class GraphRunner {
  readonly #session: InferenceSession;
  readonly #dimensions: ModelManifest['dimensions'];
  readonly #promptScores: boolean;
  readonly #cache = new Map<string, number[]>();
  #past = 0;

  private constructor(session: InferenceSession, manifest: ModelManifest) {
    this.#session = session;
    this.#dimensions = manifest.dimensions;
    this.#promptScores = manifest.promptScores;
    this.restart();
  }

  static async open(folder: string, manifest: ModelManifest): Promise<GraphRunner> {
    const options = {
      intraOpNumThreads: 1,
      logSeverityLevel: 3 as const,
      extra: { session: EXACT_PRODUCTS },
    };
    const session = await InferenceSession.create(join(folder, GRAPH_FILE), options);
    return new GraphRunner(session, manifest);
  }

  /** Forgets the cache. */
  restart(): void {
    this.#past = 0;
    for (let layer = 0; layer < this.#dimensions.layers; layer++) {
      for (let head = 0; head < this.#dimensions.kvHeads; head++) {
        for (const kind of ['key', 'value']) this.#cache.set(`${layer}.${kind}.${head}`, []);
      }
    }
  }

  async step(tokens: number[]): Promise<Step> {
    const integers = (values: number[], dims: number[]) =>
      new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
    const past = this.#past;
    const feeds: Record<string, Tensor> = {
      input_ids: integers(tokens, [1, tokens.length]),
      position_ids: integers(
        tokens.map((_, i) => past + i),
        [1, tokens.length],
      ),
      past_length: integers([past], [1]),
    };
    if (this.#promptScores) {
      feeds['head_rows'] = integers([tokens.length - 1], [1]);
      feeds['targets'] = integers([0], [1, 1, 1]);
    }
    for (const [name, rows] of this.#cache) {
      const dims = [1, past, this.#dimensions.headDim];
      feeds[`past.${name}`] = new Tensor('float32', Float32Array.from(rows), dims);
    }
    const results = await this.#session.run(feeds);
    const newRows = new Map<string, number[]>();
    for (const [name, rows] of this.#cache) {
      const fresh = results[`new.${name}`] as Tensor;
      rows.push(...(fresh.data as Float32Array));
      newRows.set(name, [...fresh.dims]);
    }
    this.#past += tokens.length;
    const logits = results['logits'] as Tensor;
    const logsumexp = results['logsumexp'] as Tensor;
    return {
      logits: Float32Array.from(logits.data as Float32Array),
      logsumexp: (logsumexp.data as Float32Array)[0] as number,
      newRows,
    };
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}
