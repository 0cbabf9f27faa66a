import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TwowattError } from '../core/index.ts';
import {
  GRAPH_FILE,
  MANIFEST_FILE,
  MANIFEST_FORMAT,
  type ModelForm,
  type ModelManifest,
  type ModelTarget,
  WEIGHTS_FILE,
} from '../protocol/index.ts';
import { Checkpoint } from './checkpoint.ts';
import { readConfig } from './config.ts';
import { digestFile, digestOfAll, type FileDigest } from './digest.ts';
import {
  type ConversionDisk,
  fromWriteError,
  realDisk,
  requireSpace,
  writeSynced,
} from './disk.ts';
import { buildErnieGraph, type ErnieGraph } from './ernie-graph.ts';
import { ModelError } from './errors.ts';
import { CONVERTER_VERSION } from './manifest.ts';
import { modelId, sourceFiles } from './source.ts';
import { encodeModel } from './onnx-schema.ts';
import { COMPANION_FILES, readEosTokenIds, requireTokenizer } from './tokenizer-files.ts';
import { weightsOf, WeightsWriter } from './weights-writer.ts';
import { WorkFolder } from './work-folder.ts';

/** Enough for any prompt a board can answer in reasonable time; the rotary table takes 4 MB of disk. */
export const DEFAULT_CONTEXT_TOKENS = 8192;

/**
 * Up to this vocabulary the graph can score a prompt's own tokens. The head on every row of a prefill
 * costs a quarter more of it at 4,096 pieces, about a ms of an answer (docs/confidence.md).
 */
const MOST_SCORED_VOCAB = 32_768;

/** `weights` counts weights, `digests` bytes. */
export type ConversionProgress = { phase: 'weights' | 'digests'; done: number; total: number };

export type ConvertOptions = {
  /** The folder to make; an existing converted model there is replaced, anything else refused. */
  out: string;
  /** The model's name; by default that of the source folder. */
  id?: string;
  form?: ModelForm;
  target?: ModelTarget;
  /** Positions that the rotary table covers, at most the model's own limit. */
  contextTokens?: number;
  /** Whether prompt tokens can be scored, by default where the vocabulary is small; see the manifest. */
  promptScores?: boolean;
  onProgress?: (progress: ConversionProgress) => void;
  /** Aborting ends the conversion within one block of weights and leaves nothing behind. */
  signal?: AbortSignal;
  disk?: ConversionDisk;
};

/** @throws ModelError `folder_in_use` for anything but nothing, an empty folder or a converted model */
export function refuseForeignFolder(out: string): void {
  if (!existsSync(out)) return;
  const replaceable =
    statSync(out).isDirectory() &&
    (existsSync(join(out, MANIFEST_FILE)) || readdirSync(out).length === 0);
  if (!replaceable) {
    throw new ModelError('folder_in_use', out, `${out} exists and is not a converted model`);
  }
}

export function stopIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new TwowattError('cancelled', 'the conversion was interrupted');
}

/** One conversion: everything that its steps share. */
class Conversion {
  readonly #source: string;
  readonly #options: ConvertOptions;
  readonly #disk: ConversionDisk;

  constructor(source: string, options: ConvertOptions) {
    this.#source = source;
    this.#options = options;
    this.#disk = options.disk ?? realDisk;
  }

  async run(): Promise<ModelManifest> {
    const { out, form = 'int8', target = 'dotprod' } = this.#options;
    refuseForeignFolder(out);
    const config = readConfig(this.#source);
    requireTokenizer(this.#source);
    const eosTokenIds = readEosTokenIds(this.#source, config);
    const contextTokens = Math.min(
      config.maxPositions,
      this.#options.contextTokens ?? DEFAULT_CONTEXT_TOKENS,
    );
    const checkpoint = Checkpoint.open(this.#source, config);
    try {
      const promptScores = this.#options.promptScores ?? config.vocab <= MOST_SCORED_VOCAB;
      const graph = buildErnieGraph(config, { form, target, contextTokens, promptScores });
      const { hidden, ffn, layers, heads, kvHeads, headDim, vocab } = config;
      return await this.#intoWorkFolder(checkpoint, graph, {
        format: MANIFEST_FORMAT,
        id: this.#options.id ?? modelId(this.#source),
        architecture: 'ernie4_5',
        form,
        target,
        dimensions: { hidden, ffn, layers, heads, kvHeads, headDim, vocab, contextTokens },
        parameters: checkpoint.parameters,
        eosTokenIds,
        promptScores,
        converter: CONVERTER_VERSION,
      });
    } finally {
      checkpoint.close();
    }
  }

  async #intoWorkFolder(
    checkpoint: Checkpoint,
    graph: ErnieGraph,
    facts: Omit<ModelManifest, 'sourceDigest' | 'files' | 'digest'>,
  ): Promise<ModelManifest> {
    const work = new WorkFolder(this.#options.out);
    try {
      const model = encodeModel(graph.model);
      const companions = COMPANION_FILES.filter((name) => existsSync(join(this.#source, name)));
      const copied = companions.map((name) => statSync(join(this.#source, name)).size);
      const needed = copied.reduce((a, b) => a + b, graph.dataBytes + model.length);
      requireSpace(this.#disk, this.#options.out, needed);
      await this.#writeWeights(checkpoint, graph, join(work.path, WEIGHTS_FILE));
      await this.#writeFile(join(work.path, GRAPH_FILE), model);
      for (const name of companions) {
        await this.#writeFile(join(work.path, name), readFileSync(join(this.#source, name)));
      }
      const files = [GRAPH_FILE, WEIGHTS_FILE, ...companions];
      const digests = await this.#digests(work.path, files);
      const manifest: ModelManifest = { ...facts, ...digests };
      const text = `${JSON.stringify(manifest, null, 2)}\n`;
      await this.#writeFile(join(work.path, MANIFEST_FILE), Buffer.from(text));
      stopIfAborted(this.#options.signal);
      work.publish();
      return manifest;
    } catch (error) {
      stopIfAborted(this.#options.signal);
      throw fromWriteError(error, this.#options.out);
    } finally {
      work.remove();
    }
  }

  async #writeFile(path: string, content: Uint8Array): Promise<void> {
    await writeSynced(this.#disk, path, (write) => write(content, 0));
  }

  async #writeWeights(checkpoint: Checkpoint, graph: ErnieGraph, path: string): Promise<void> {
    const { onProgress, signal } = this.#options;
    const total = graph.jobs.reduce((sum, job) => sum + weightsOf(job, checkpoint), 0);
    let done = 0;
    await writeSynced(this.#disk, path, async (write) => {
      const writer = new WeightsWriter(checkpoint, write, async (weights) => {
        done += weights;
        onProgress?.({ phase: 'weights', done, total });
        await nextTurn();
        stopIfAborted(signal);
      });
      for (const job of graph.jobs) await writer.run(job);
    });
  }

  async #digests(
    folder: string,
    names: string[],
  ): Promise<Pick<ModelManifest, 'sourceDigest' | 'files' | 'digest'>> {
    const { onProgress, signal } = this.#options;
    const made = names.map((name) => join(folder, name));
    const given = sourceFiles(this.#source).map((name) => join(this.#source, name));
    const total = [...made, ...given].reduce((sum, path) => sum + statSync(path).size, 0);
    let done = 0;
    const digestEach = async (paths: string[]) => {
      const digests: FileDigest[] = [];
      for (const path of paths) {
        const onBytes = (bytes: number) => {
          done += bytes;
          onProgress?.({ phase: 'digests', done, total });
        };
        digests.push(await digestFile(path, { signal, onBytes }));
      }
      return digests;
    };
    const files = await digestEach(made);
    return {
      sourceDigest: digestOfAll(await digestEach(given)),
      files,
      digest: digestOfAll(files),
    };
  }
}

/**
 * Converts a Hugging Face folder of model type `ernie4_5` into what the engine loads. The result is
 * the same bytes for the same source and options. It appears under `out` whole or not at all: work
 * goes on in a hidden folder beside it, every file is synced, and the last step is a rename.
 * @throws ModelError naming the tensor, file or key at fault; TwowattError `cancelled` after an abort
 */
export async function convertModel(
  source: string,
  options: ConvertOptions,
): Promise<ModelManifest> {
  return await new Conversion(source, options).run();
}
