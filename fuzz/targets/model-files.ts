import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readManifest } from '../../src/engine/process/model-folder.ts';
import { readDecoder } from '../../src/engine/process/token-decoder.ts';
import { Checkpoint } from '../../src/model/checkpoint.ts';
import { readConfig } from '../../src/model/config.ts';
import { parseGateFit } from '../../src/model/gate-file.ts';
import { loadManifest } from '../../src/model/manifest.ts';
import { readEosTokenIds } from '../../src/model/tokenizer-files.ts';
import { codedOnly, joined, pieces, scratchFolder } from '../expect.ts';

/** The JSON files of a model folder: the hub's, whose author is a stranger, and the converter's. */
export const name = 'model-files';

const FILES = [
  'config.json',
  'tokenizer.json',
  'generation_config.json',
  'special_tokens_map.json',
  'model.safetensors.index.json',
  'twowatt.json',
] as const;

const CONFIG = {
  model_type: 'ernie4_5',
  hidden_size: 64,
  intermediate_size: 192,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  vocab_size: 512,
  max_position_embeddings: 4096,
};
const TOKENIZER = {
  model: { type: 'BPE', vocab: { a: 0, b: 1 }, merges: [] },
  added_tokens: [{ id: 2, content: '</s>', special: true }],
  decoder: {
    type: 'Sequence',
    decoders: [
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Strip', content: ' ', start: 1, stop: 0 },
    ],
  },
};
const MANIFEST = {
  format: 1,
  id: 'x',
  architecture: 'ernie4_5',
  form: 'int8',
  target: 'avx2',
  dimensions: {
    hidden: 1,
    ffn: 1,
    layers: 1,
    heads: 1,
    kvHeads: 1,
    headDim: 2,
    vocab: 9,
    contextTokens: 8,
  },
  parameters: 1,
  eosTokenIds: [1],
  sourceDigest: 'a'.repeat(64),
  converter: 2,
  files: [
    { name: 'config.json', bytes: 2, sha256: 'b'.repeat(64) },
    { name: 'model.onnx', bytes: 1, sha256: 'c'.repeat(64) },
  ],
  digest: 'd'.repeat(64),
};

export function seeds(): Buffer[] {
  const json = (value: object) => JSON.stringify(value);
  const index = json({
    weight_map: { 'model.norm.weight': 'a.safetensors', x: '../b.safetensors' },
  });
  return [
    joined(
      json(CONFIG),
      json(TOKENIZER),
      '{"eos_token_id":[1,2]}',
      '{"sep_token":{"content":"</s>"}}',
      index,
      json(MANIFEST),
    ),
    joined(
      json({ ...CONFIG, rope_parameters: { rope_type: 'default', rope_theta: 1 } }),
      '{"model":{"vocab":[]}}',
      '{}',
      '{}',
      '{}',
      '{"format":1}',
    ),
    joined(
      json({ ...CONFIG, eos_token_id: [0, '1'] }),
      json({ ...TOKENIZER, decoder: { type: 'Metaspace' } }),
      '[]',
      'x',
      '{"weight_map":7}',
      json({ ...MANIFEST, files: [null] }),
    ),
  ];
}

export function fuzz(data: Buffer): void {
  const folder = join(scratchFolder(), 'model');
  mkdirSync(folder, { recursive: true });
  const contents = pieces(data, FILES.length);
  for (const [at, file] of FILES.entries()) writeFileSync(join(folder, file), contents[at] ?? '');
  const config = codedOnly(() => readConfig(folder));
  if (config !== undefined) {
    codedOnly(() => readEosTokenIds(folder, config));
    codedOnly(() => Checkpoint.open(folder, config).close());
  }
  codedOnly(() => loadManifest(folder));
  codedOnly(() => readManifest(folder));
  for (const content of contents) {
    let value: unknown;
    try {
      value = JSON.parse(content.toString());
    } catch {
      continue;
    }
    codedOnly(() => parseGateFit(value));
    const decoder = (value as { decoder?: unknown } | null)?.decoder;
    codedOnly(() => readDecoder(decoder)?.bytesOf('<0x41>▁'));
  }
}
