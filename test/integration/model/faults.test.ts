import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  convertModel,
  loadManifest,
  type ModelFault,
  ModelError,
} from '../../../src/model/index.ts';
import {
  copyTiny,
  editHeader,
  editJson,
  type HeaderEntry,
  packWeights,
  readWeights,
  writeWeights,
} from './hf-folder.ts';

const NORM = 'model.norm.weight';
const EMBEDDING = 'model.embed_tokens.weight';
const Q0 = 'model.layers.0.self_attn.q_proj.weight';
const WEIGHTS = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

let scratch: string;
let folder: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'twowatt-faults-'));
  folder = copyTiny(scratch);
});
afterEach(() => rmSync(scratch, { recursive: true }));

const weights = () => join(folder, WEIGHTS);

async function expectFault(fault: ModelFault, param: string): Promise<void> {
  const parent = join(scratch, 'made');
  const thrown: unknown = await convertModel(folder, { out: join(parent, 'model') }).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(ModelError);
  expect(thrown).toMatchObject({ code: 'model_unavailable', fault, param });
  // What is wrong is named in the sentence, too.
  expect((thrown as ModelError).message).toContain(param);
  expect(existsSync(parent) ? readdirSync(parent) : []).toEqual([]);
}

/** The tensor whose data comes last in the file. */
function lastTensor(): string {
  const entries = Object.entries(readWeights(weights()).header);
  return (
    entries.toSorted(([, a], [, b]) => b.data_offsets[1] - a.data_offsets[1])[0] as [
      string,
      HeaderEntry,
    ]
  )[0];
}

function change(name: string, edit: Partial<Record<keyof HeaderEntry, unknown>>): () => void {
  return () => editHeader(folder, (header) => Object.assign(header[name] as HeaderEntry, edit));
}

function rename(from: string, to: string): () => void {
  return () =>
    editHeader(folder, (header) => {
      header[to] = header[from] as HeaderEntry;
      delete header[from];
    });
}

function setLength(length: bigint): void {
  const bytes = readFileSync(weights());
  bytes.writeBigUInt64LE(length);
  writeFileSync(weights(), bytes);
}

describe('faults of one safetensors file', () => {
  const table: [name: string, damage: () => void, fault: ModelFault, param: string][] = [
    ['an empty file', () => truncateSync(weights(), 0), 'truncated', WEIGHTS],
    ['a file cut inside its length', () => truncateSync(weights(), 5), 'truncated', WEIGHTS],
    ['a file cut inside its header', () => truncateSync(weights(), 200), 'truncated', WEIGHTS],
    ['a header longer than the file', () => setLength(8_000_000n), 'truncated', WEIGHTS],
    ['a header of absurd length', () => setLength(2n ** 62n), 'bad_header', WEIGHTS],
    ['a length beyond signed numbers', () => setLength(2n ** 64n - 1n), 'bad_header', WEIGHTS],
    ['a header that ends early', () => setLength(100n), 'bad_header', WEIGHTS],
    [
      'a header that is a list',
      () => writeWeights(weights(), '[]', Buffer.alloc(0)),
      'bad_header',
      WEIGHTS,
    ],
    [
      'bytes behind the last tensor',
      () => appendFileSync(weights(), 'xxxx'),
      'bad_header',
      WEIGHTS,
    ],
    [
      'an entry that is no object',
      () => editHeader(folder, (header) => Object.assign(header, { [NORM]: 7 })),
      'bad_header',
      NORM,
    ],
    ['a missing dtype', change(NORM, { dtype: null }), 'bad_header', NORM],
    ['a shape in words', change(NORM, { shape: ['64'] }), 'bad_header', NORM],
    ['a negative side', change(NORM, { shape: [-64] }), 'bad_header', NORM],
    ['a fractional offset', change(NORM, { data_offsets: [0.5, 256.5] }), 'bad_header', NORM],
    ['offsets the wrong way round', change(NORM, { data_offsets: [256, 0] }), 'bad_header', NORM],
    ['a shape that does not fill its bytes', change(NORM, { shape: [63] }), 'bad_header', NORM],
    ['an unknown dtype', change(NORM, { dtype: 'F5' }), 'wrong_dtype', NORM],
    ['integer weights', change(NORM, { dtype: 'I32' }), 'wrong_dtype', NORM],
    ['a transposed matrix', change(Q0, { shape: [64, 128] }), 'wrong_shape', Q0],
    ['an extra dimension', change(NORM, { shape: [1, 64] }), 'wrong_shape', NORM],
    ['a missing tensor', rename(NORM, 'model.gone.weight'), 'missing_tensor', NORM],
    [
      'a missing layer',
      () => editJson(folder, 'config.json', { num_hidden_layers: 3 }),
      'missing_tensor',
      'model.layers.2.input_layernorm.weight',
    ],
    [
      'a head that is not there',
      () => editJson(folder, 'config.json', { tie_word_embeddings: false }),
      'missing_tensor',
      'lm_head.weight',
    ],
    [
      'another hidden size',
      () => editJson(folder, 'config.json', { hidden_size: 128 }),
      'wrong_shape',
      EMBEDDING,
    ],
    [
      'a bias',
      rename(NORM, 'model.layers.0.self_attn.q_proj.bias'),
      'unsupported_config',
      'model.layers.0.self_attn.q_proj.bias',
    ],
    [
      'the Paddle layout',
      rename(NORM, 'ernie.norm.weight'),
      'unsupported_config',
      'ernie.norm.weight',
    ],
    ['a missing file', () => rmSync(weights()), 'missing_file', WEIGHTS],
  ];
  it.each(table)('%s', async (_name, damage, fault, param) => {
    damage();
    await expectFault(fault, param);
  });

  it('a file cut inside its data names the tensor', async () => {
    const name = lastTensor();
    truncateSync(weights(), statSync(weights()).size - 10);
    await expectFault('truncated', name);
  });

  it('tensors that overlap', async () => {
    const { header } = readWeights(weights());
    const [begin, end] = (header[Q0] as HeaderEntry).data_offsets;
    expect(begin).toBeGreaterThan(0);
    change(Q0, { data_offsets: [begin - 4, end - 4] })();
    await expectFault('bad_header', Q0);
  });

  it('a hole in front of a tensor', async () => {
    const name = lastTensor();
    const { header, data } = readWeights(weights());
    const [begin, end] = (header[name] as HeaderEntry).data_offsets;
    (header[name] as HeaderEntry).data_offsets = [begin + 8, end + 8];
    writeWeights(weights(), header, Buffer.concat([data, Buffer.alloc(8)]));
    await expectFault('bad_header', name);
  });

  it.each([NaN, Infinity, -Infinity])('a weight of %d', async (value) => {
    const { header, data } = readWeights(weights());
    data.writeFloatLE(value, (header[Q0] as HeaderEntry).data_offsets[0] + 400);
    writeWeights(weights(), header, data);
    await expectFault('corrupt', Q0);
  });
});

describe('faults beside the weights', () => {
  const put = (name: string, text: string) => () => writeFileSync(join(folder, name), text);
  const drop = (name: string) => () => rmSync(join(folder, name));
  const table: [name: string, damage: () => void, fault: ModelFault, param: string][] = [
    ['no config', drop('config.json'), 'missing_file', 'config.json'],
    ['a broken config', put('config.json', '{"model_type":'), 'bad_config', 'config.json'],
    ['a config that is a list', put('config.json', '[]'), 'bad_config', 'config.json'],
    ['no tokenizer', drop('tokenizer.json'), 'missing_file', 'tokenizer.json'],
    ['a broken tokenizer', put('tokenizer.json', '{'), 'bad_tokenizer', 'tokenizer.json'],
    [
      'a tokenizer without pieces',
      put('tokenizer.json', '{"model":{}}'),
      'bad_tokenizer',
      'tokenizer.json',
    ],
    [
      'a tokenizer of a larger model',
      put('tokenizer.json', '{"model":{"vocab":{"a":512}}}'),
      'bad_tokenizer',
      'tokenizer.json',
    ],
    [
      'an eos id beyond the vocabulary',
      put('generation_config.json', '{"eos_token_id":[4,512]}'),
      'bad_config',
      'eos_token_id',
    ],
  ];
  it.each(table)('%s', async (_name, damage, fault, param) => {
    damage();
    await expectFault(fault, param);
  });
});

describe('sharded weights', () => {
  const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;

  function shard(edit: (map: Record<string, string>) => void = () => {}): void {
    const source = readWeights(weights());
    const names = Object.keys(source.header);
    const map: Record<string, string> = {};
    for (const [i, file] of shards.entries()) {
      const mine = names.filter((_, n) => n % 2 === i);
      packWeights(join(folder, file), source, mine);
      for (const name of mine) map[name] = file;
    }
    edit(map);
    writeFileSync(join(folder, INDEX), JSON.stringify({ metadata: {}, weight_map: map }));
    rmSync(weights());
  }

  it('give the same model as one file', async () => {
    const whole = await convertModel(folder, { out: join(scratch, 'whole') });
    shard();
    const parts = await convertModel(folder, { out: join(scratch, 'parts') });
    expect(parts.digest).toBe(whole.digest);
    expect(parts.sourceDigest).not.toBe(whole.sourceDigest);
    expect(loadManifest(join(scratch, 'parts'))).toEqual(parts);
  });

  it('a missing shard', async () => {
    shard();
    rmSync(join(folder, shards[1]));
    await expectFault('missing_file', shards[1]);
  });

  it('an index that names an unknown file', async () => {
    shard((map) => (map[NORM] = 'other.safetensors'));
    await expectFault('missing_file', 'other.safetensors');
  });

  it('an index that leads outside the folder', async () => {
    shard((map) => (map[NORM] = '../other.safetensors'));
    await expectFault('bad_header', NORM);
  });

  it('an index that looks for a tensor in the wrong file', async () => {
    shard((map) => {
      map[NORM] = map[NORM] === shards[0] ? shards[1] : shards[0];
    });
    await expectFault('missing_tensor', NORM);
  });

  it('an index without a map', async () => {
    shard();
    writeFileSync(join(folder, INDEX), '{}');
    await expectFault('bad_header', INDEX);
  });
});
