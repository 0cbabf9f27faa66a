import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ModelForm, ModelManifest, ModelTarget } from '../protocol/index.ts';
import { bundledModelFolder } from './bundled.ts';
import { EMBEDDING, expectedTensors, WEIGHTS_SOURCE } from './checkpoint.ts';
import { CONFIG_FILE, type ErnieConfig, parseConfig } from './config.ts';
import {
  type ConversionProgress,
  convertModel,
  refuseForeignFolder,
  stopIfAborted,
} from './convert.ts';
import {
  type ConversionDisk,
  fromWriteError,
  realDisk,
  requireSpace,
  writeSynced,
} from './disk.ts';
import { ModelError } from './errors.ts';
import { isJsonObject, readJsonObject } from './json-file.ts';
import { TOKENIZER_FILE } from './tokenizer-files.ts';
import { WorkFolder } from './work-folder.ts';

export type SynthDimensions = {
  hidden: number;
  ffn: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocab: number;
};

/** baidu/ERNIE-4.5-0.3B: 360.7 million parameters. */
export const ERNIE_03B: SynthDimensions = {
  hidden: 1024,
  ffn: 3072,
  layers: 18,
  heads: 16,
  kvHeads: 2,
  headDim: 128,
  vocab: 103_424,
};

export type SynthOptions = {
  /** The converted folder to make; with `sourceOnly` the Hugging Face folder. */
  out: string;
  dimensions?: Partial<SynthDimensions>;
  tied?: boolean;
  form?: ModelForm;
  target?: ModelTarget;
  contextTokens?: number;
  /** Same seed and dimensions, same weights. */
  seed?: number;
  /** Write the Hugging Face folder only, do not convert it. */
  sourceOnly?: boolean;
  /** Keep the Hugging Face folder, as `OUT-source`. */
  keepSource?: boolean;
  onProgress?: (progress: SynthProgress | ConversionProgress) => void;
  signal?: AbortSignal;
  disk?: ConversionDisk;
};

/** Counts weights. */
export type SynthProgress = { phase: 'synthesis'; done: number; total: number };

/** Values written at a time: 4 MB of bf16. */
const BLOCK_WEIGHTS = 1 << 21;
/** Range of the uniform random weights; the deviation is 0.02, as before training. */
const WEIGHT_RANGE = 0.02 * Math.sqrt(3);
const BF16_ONE = 0x3f80;

function configJson(dimensions: SynthDimensions, tied: boolean) {
  return {
    architectures: ['Ernie4_5ForCausalLM'],
    model_type: 'ernie4_5',
    hidden_act: 'silu',
    hidden_size: dimensions.hidden,
    intermediate_size: dimensions.ffn,
    num_hidden_layers: dimensions.layers,
    num_attention_heads: dimensions.heads,
    num_key_value_heads: dimensions.kvHeads,
    head_dim: dimensions.headDim,
    vocab_size: dimensions.vocab,
    max_position_embeddings: 131_072,
    rms_norm_eps: 1e-5,
    rope_theta: 500_000,
    rope_scaling: null,
    use_bias: false,
    tie_word_embeddings: tied,
    bos_token_id: 1,
    eos_token_id: 2,
    pad_token_id: 0,
    torch_dtype: 'bfloat16',
  };
}

/**
 * The bundled tokenizer, filled up to `vocab` pieces with words that no merge leads to: text is split as
 * by the bundled model, and every id that random weights may choose has a text.
 */
function fillTokenizer(vocab: number): string {
  const tokenizer = readJsonObject(join(bundledModelFolder(), TOKENIZER_FILE), 'bad_tokenizer');
  const model = tokenizer['model'];
  if (!isJsonObject(model) || !isJsonObject(model['vocab'])) {
    throw new ModelError(
      'bad_tokenizer',
      TOKENIZER_FILE,
      'the bundled tokenizer has no vocabulary',
    );
  }
  const pieces = model['vocab'];
  const own = Object.keys(pieces).length;
  if (vocab < own) {
    throw new ModelError('bad_config', 'vocab', `the vocabulary must have at least ${own} pieces`);
  }
  for (let id = own; id < vocab; id++) pieces[`▁filler${id}`] = id;
  return JSON.stringify(tokenizer);
}

/** Marsaglia's 32-bit xorshift (13, 17, 5): plenty for weights that mean nothing. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  };
}

/** Fills with bf16 of uniform values: the upper half of each float32. */
function fillRandom(out: Uint16Array, count: number, range: number, random: () => number): void {
  const value = new Float32Array(1);
  const bits = new Uint16Array(value.buffer);
  const scale = range / 2 ** 31;
  for (let i = 0; i < count; i++) {
    value[0] = random() * scale;
    out[i] = bits[1] as number;
  }
}

class Synthesis {
  readonly #options: SynthOptions;
  readonly #config: ErnieConfig;
  readonly #configText: string;
  readonly #disk: ConversionDisk;

  constructor(options: SynthOptions) {
    this.#options = options;
    this.#disk = options.disk ?? realDisk;
    const dimensions = { ...ERNIE_03B, ...options.dimensions };
    const json = configJson(dimensions, options.tied ?? true);
    this.#config = parseConfig(json);
    this.#configText = `${JSON.stringify(json, null, 2)}\n`;
  }

  async writeSource(folder: string): Promise<void> {
    const bundled = bundledModelFolder();
    const copies = ['tokenizer_config.json', 'special_tokens_map.json', 'generation_config.json'];
    const texts = new Map<string, string | Buffer>([
      [CONFIG_FILE, this.#configText],
      [TOKENIZER_FILE, fillTokenizer(this.#config.vocab)],
      ...copies.map((name) => [name, readFileSync(join(bundled, name))] as const),
    ]);
    for (const [name, text] of texts) {
      await writeSynced(this.#disk, join(folder, name), (write) => write(Buffer.from(text), 0));
    }
    await this.#writeWeights(join(folder, WEIGHTS_SOURCE));
  }

  async #writeWeights(path: string): Promise<void> {
    const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
    const tensors = [...expectedTensors(this.#config)].map(([name, shape]) => ({
      name,
      shape,
      count: shape.reduce((a, b) => a * b, 1),
    }));
    let end = 0;
    for (const { name, shape, count } of tensors) {
      header[name] = { dtype: 'BF16', shape, data_offsets: [end, end + 2 * count] };
      end += 2 * count;
    }
    const text = Buffer.from(JSON.stringify(header));
    const padded = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, ' ');
    padded.writeBigUInt64LE(BigInt(padded.length - 8));
    text.copy(padded, 8);
    requireSpace(this.#disk, path, padded.length + end);
    const random = createRandom(this.#options.seed ?? 1);
    const values = new Uint16Array(BLOCK_WEIGHTS);
    const total = end / 2;
    let done = 0;
    await writeSynced(this.#disk, path, async (write) => {
      write(padded, 0);
      for (const { name, shape, count } of tensors) {
        for (let at = 0; at < count; at += BLOCK_WEIGHTS) {
          const block = Math.min(BLOCK_WEIGHTS, count - at);
          if (shape.length === 1) values.fill(BF16_ONE, 0, block);
          else
            fillRandom(values, block, name === EMBEDDING ? 2 * WEIGHT_RANGE : WEIGHT_RANGE, random);
          write(new Uint8Array(values.buffer, 0, 2 * block), padded.length + 2 * done);
          done += block;
          this.#options.onProgress?.({ phase: 'synthesis', done, total });
          await nextTurn();
          stopIfAborted(this.#options.signal);
        }
      }
    });
  }
}

/**
 * A model of real dimensions with random weights: for benchmarks, and to exercise the whole path from
 * a Hugging Face folder on. Writes bf16 safetensors with a tokenizer of matching size, then converts
 * them. Nothing stays after an error.
 * @returns the manifest, or undefined with `sourceOnly`
 */
export async function synthModel(options: SynthOptions): Promise<ModelManifest | undefined> {
  const { out, sourceOnly = false, keepSource = false } = options;
  refuseForeignFolder(out);
  const kept = sourceOnly ? out : `${resolve(out)}-source`;
  if (sourceOnly || keepSource) refuseForeignFolder(kept);
  await mkdir(dirname(resolve(out)), { recursive: true });
  const work = new WorkFolder(kept);
  try {
    await new Synthesis(options).writeSource(work.path);
    if (sourceOnly) {
      work.publish();
      return undefined;
    }
    const { form, target, contextTokens, onProgress, signal, disk } = options;
    const manifest = await convertModel(work.path, {
      out,
      id: basename(resolve(out)),
      ...(form && { form }),
      ...(target && { target }),
      ...(contextTokens && { contextTokens }),
      ...(onProgress && { onProgress }),
      ...(signal && { signal }),
      ...(disk && { disk }),
    });
    if (keepSource) work.publish();
    return manifest;
  } catch (error) {
    throw fromWriteError(error, out);
  } finally {
    work.remove();
  }
}
