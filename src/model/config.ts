import { join } from 'node:path';
import { ModelError } from './errors.ts';
import { isJsonObject, type JsonObject, readJsonObject } from './json-file.ts';

export const CONFIG_FILE = 'config.json';

/** What the graph needs of a Hugging Face `config.json` of model type `ernie4_5`. */
export type ErnieConfig = {
  hidden: number;
  ffn: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocab: number;
  maxPositions: number;
  /** Added to the mean square in RMSNorm. */
  normEpsilon: number;
  ropeTheta: number;
  /** The output head is the embedding matrix. */
  tied: boolean;
  eosTokenIds: number[];
};

/** Bounds keep a hostile config from asking for absurd memory before any weight is read. */
const LIMITS = {
  hidden_size: [16, 65_536],
  intermediate_size: [16, 1_048_576],
  num_hidden_layers: [1, 1024],
  num_attention_heads: [1, 1024],
  num_key_value_heads: [1, 1024],
  head_dim: [2, 1024],
  vocab_size: [2, 2_097_152],
  max_position_embeddings: [1, 16_777_216],
} as const satisfies Record<string, readonly [number, number]>;

function whole(config: JsonObject, key: keyof typeof LIMITS, fallback?: number): number {
  const [low, high] = LIMITS[key];
  const value = config[key] ?? fallback;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) {
    throw new ModelError(
      'bad_config',
      key,
      `config.json: ${key} must be a whole number from ${low} to ${high}`,
    );
  }
  return value;
}

function positive(config: JsonObject, key: string, fallback: number): number {
  const value = config[key] ?? fallback;
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
    throw new ModelError('bad_config', key, `config.json: ${key} must be a positive number`);
  }
  return value;
}

function flag(config: JsonObject, key: string, fallback: boolean): boolean {
  const value = config[key] ?? fallback;
  if (typeof value !== 'boolean') {
    throw new ModelError('bad_config', key, `config.json: ${key} must be true or false`);
  }
  return value;
}

/** `eos_token_id` as both config.json and generation_config.json write it: a number or a list. */
export function tokenIds(value: unknown, vocab: number, where: string): number[] {
  if (value === undefined || value === null) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  for (const id of list) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= vocab) {
      throw new ModelError(
        'bad_config',
        'eos_token_id',
        `${where}: eos_token_id must be token ids below ${vocab}`,
      );
    }
  }
  return list as number[];
}

function unsupported(key: string, text: string): ModelError {
  return new ModelError('unsupported_config', key, `config.json: ${key} ${text}`);
}

/** Refuses every option that changes the arithmetic in a way the graph does not follow. */
function refuseWhatWeDoNotCompute(config: JsonObject): void {
  if (flag(config, 'use_bias', false)) throw unsupported('use_bias', 'true is not supported');
  const act = config['hidden_act'] ?? 'silu';
  if (act !== 'silu') throw unsupported('hidden_act', `must be "silu", not ${JSON.stringify(act)}`);
  if (config['rope_scaling'] !== undefined && config['rope_scaling'] !== null) {
    throw unsupported('rope_scaling', 'is not supported; it must be null');
  }
  const compression = config['compression_ratio'] ?? 1;
  if (compression !== 1) throw unsupported('compression_ratio', 'must be 1');
}

/** Newer transformers move the RoPE settings into `rope_parameters`. */
function ropeTheta(config: JsonObject): number {
  const nested = config['rope_parameters'];
  if (nested === undefined || nested === null) return positive(config, 'rope_theta', 500_000);
  if (!isJsonObject(nested) || (nested['rope_type'] ?? 'default') !== 'default') {
    throw unsupported('rope_parameters', 'must have rope_type "default"');
  }
  return positive({ ...config, ...nested }, 'rope_theta', 500_000);
}

/** @throws ModelError whose `param` is the key at fault */
export function parseConfig(config: JsonObject): ErnieConfig {
  const type = config['model_type'];
  if (type !== 'ernie4_5') {
    throw new ModelError(
      'unknown_model_type',
      'model_type',
      `config.json: model_type is ${JSON.stringify(type) ?? 'missing'}; only "ernie4_5" is supported`,
    );
  }
  refuseWhatWeDoNotCompute(config);
  const hidden = whole(config, 'hidden_size');
  const heads = whole(config, 'num_attention_heads');
  const kvHeads = whole(config, 'num_key_value_heads', heads);
  const headDim = whole(config, 'head_dim', hidden / heads);
  const vocab = whole(config, 'vocab_size');
  if (heads % kvHeads !== 0) {
    throw new ModelError(
      'bad_config',
      'num_key_value_heads',
      `config.json: num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}`,
    );
  }
  if (headDim % 2 !== 0) {
    throw new ModelError('bad_config', 'head_dim', 'config.json: head_dim must be even');
  }
  return {
    hidden,
    ffn: whole(config, 'intermediate_size'),
    layers: whole(config, 'num_hidden_layers'),
    heads,
    kvHeads,
    headDim,
    vocab,
    maxPositions: whole(config, 'max_position_embeddings'),
    normEpsilon: positive(config, 'rms_norm_eps', 1e-5),
    ropeTheta: ropeTheta(config),
    tied: flag(config, 'tie_word_embeddings', true),
    eosTokenIds: tokenIds(config['eos_token_id'], vocab, CONFIG_FILE),
  };
}

export function readConfig(folder: string): ErnieConfig {
  return parseConfig(readJsonObject(join(folder, CONFIG_FILE), 'bad_config'));
}
