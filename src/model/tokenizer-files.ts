import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CONFIG_FILE, type ErnieConfig, tokenIds } from './config.ts';
import { ModelError } from './errors.ts';
import {
  isJsonObject,
  type JsonObject,
  readJsonObject,
  readJsonObjectIfThere,
} from './json-file.ts';

export const TOKENIZER_FILE = 'tokenizer.json';
const SENTENCEPIECE_FILE = 'tokenizer.model';

/** What lies beside the weights and goes along unchanged; only the first two must be there. */
export const COMPANION_FILES = [
  CONFIG_FILE,
  TOKENIZER_FILE,
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'generation_config.json',
];

/** A special token is written as its text, or as an object around it. */
function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return isJsonObject(value) && typeof value['content'] === 'string' ? value['content'] : undefined;
}

/** Pieces with their ids: the model's vocabulary and the added tokens. */
function vocabulary(tokenizer: JsonObject): Map<string, number> {
  const bad = (text: string) =>
    new ModelError('bad_tokenizer', TOKENIZER_FILE, `${TOKENIZER_FILE} ${text}`);
  const model = tokenizer['model'];
  if (!isJsonObject(model) || !isJsonObject(model['vocab'])) {
    throw bad('has no model.vocab (a BPE vocabulary is expected)');
  }
  const ids = new Map<string, number>();
  const add = (piece: string, id: unknown) => {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0) {
      throw bad(`gives ${JSON.stringify(piece)} no valid id`);
    }
    ids.set(piece, id);
  };
  for (const [piece, id] of Object.entries(model['vocab'])) add(piece, id);
  const added = tokenizer['added_tokens'] ?? [];
  if (!Array.isArray(added)) throw bad('has added_tokens that are not a list');
  for (const token of added as unknown[]) {
    if (!isJsonObject(token) || typeof token['content'] !== 'string') {
      throw bad('has an added token without content');
    }
    add(token['content'], token['id']);
  }
  return ids;
}

export function requireTokenizer(folder: string): void {
  if (existsSync(join(folder, TOKENIZER_FILE))) return;
  if (existsSync(join(folder, SENTENCEPIECE_FILE))) {
    throw new ModelError(
      'bad_tokenizer',
      TOKENIZER_FILE,
      `the folder has ${SENTENCEPIECE_FILE} but no ${TOKENIZER_FILE}`,
    );
  }
  throw new ModelError('missing_file', TOKENIZER_FILE, `${TOKENIZER_FILE} is missing`);
}

/**
 * Ids that end an answer: those of generation_config.json and config.json, and the separator that the
 * chat template puts behind each answer, which real ERNIE configs do not list as an eos token.
 * @throws ModelError `bad_tokenizer` when the tokenizer knows ids that the model has no row for
 */
export function readEosTokenIds(folder: string, config: ErnieConfig): number[] {
  const ids = vocabulary(readJsonObject(join(folder, TOKENIZER_FILE), 'bad_tokenizer'));
  for (const [piece, id] of ids) {
    if (id >= config.vocab) {
      throw new ModelError(
        'bad_tokenizer',
        TOKENIZER_FILE,
        `${TOKENIZER_FILE} gives ${JSON.stringify(piece)} the id ${id}, but the model has ${config.vocab} rows`,
      );
    }
  }
  const generation = readJsonObjectIfThere(join(folder, 'generation_config.json'), 'bad_config');
  const special = readJsonObjectIfThere(join(folder, 'special_tokens_map.json'), 'bad_tokenizer');
  const settings = readJsonObjectIfThere(join(folder, 'tokenizer_config.json'), 'bad_tokenizer');
  const eos = [
    ...tokenIds(generation?.['eos_token_id'], config.vocab, 'generation_config.json'),
    ...config.eosTokenIds,
  ];
  for (const source of [special, settings, { sep_token: '<|end_of_sentence|>' }]) {
    const text = tokenText(source?.['sep_token']);
    const id = text === undefined ? undefined : ids.get(text);
    if (id !== undefined) eos.push(id);
  }
  if (eos.length === 0) {
    throw new ModelError(
      'bad_config',
      'eos_token_id',
      'neither config.json nor generation_config.json nor the tokenizer says which token ends an answer',
    );
  }
  return [...new Set(eos)].toSorted((a, b) => a - b);
}
