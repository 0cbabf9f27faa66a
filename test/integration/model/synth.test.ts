import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  convertModel,
  type SynthOptions,
  synthModel,
  verifyModel,
} from '../../../src/model/index.ts';
import type { ModelManifest, ModelTarget } from '../../../src/protocol/index.ts';
import { GraphRunner } from './graph-runner.ts';

const SMALL = { hidden: 64, ffn: 96, layers: 2, heads: 4, kvHeads: 2, headDim: 32, vocab: 4200 };
const TOKENS = [3, 271, 4199, 17, 5];

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'twowatt-synth-'));
});
afterEach(() => rmSync(scratch, { recursive: true }));

async function logitsOf(folder: string, manifest: ModelManifest): Promise<number[]> {
  const graph = await GraphRunner.open(folder, manifest);
  const { logits } = await graph.step(TOKENS);
  await graph.close();
  return [...logits];
}

describe('synthModel', () => {
  it('makes a model that loads, the same one for the same seed', async () => {
    const make = async (name: string, options: Partial<SynthOptions> = {}) =>
      await synthModel({ out: join(scratch, name), dimensions: SMALL, ...options });
    const first = (await make('a')) as ModelManifest;
    const second = (await make('b', { keepSource: true })) as ModelManifest;
    const other = (await make('c', { seed: 2 })) as ModelManifest;
    expect(second.files).toEqual(first.files);
    expect(other.digest).not.toBe(first.digest);
    expect(first).toMatchObject({ id: 'a', dimensions: { ...SMALL, contextTokens: 8192 } });
    expect(readdirSync(scratch).toSorted()).toEqual(['a', 'b', 'b-source', 'c']);
    await verifyModel(join(scratch, 'a'));
    const logits = await logitsOf(join(scratch, 'a'), first);
    expect(logits.every((logit) => Number.isFinite(logit))).toBe(true);
  });

  it('gives every id a piece, and splits text as the bundled model does', async () => {
    const out = join(scratch, 'source');
    expect(await synthModel({ out, dimensions: SMALL, sourceOnly: true })).toBeUndefined();
    const read = (path: string) =>
      JSON.parse(readFileSync(path, 'utf8')) as {
        model: { vocab: Record<string, number>; merges: string[] };
      };
    const { model } = read(join(out, 'tokenizer.json'));
    const bundled = read(join(import.meta.dirname, '../../../models/twowatt-nano/tokenizer.json'));
    const ids = Object.values(model.vocab).toSorted((a, b) => a - b);
    expect(ids).toEqual(Array.from({ length: SMALL.vocab }, (_, id) => id));
    expect(model.merges).toEqual(bundled.model.merges);
    expect(model.vocab).toMatchObject(bundled.model.vocab);
  });

  it('refuses what it cannot make, and leaves nothing', async () => {
    const bad = synthModel({ out: join(scratch, 'a'), dimensions: { ...SMALL, vocab: 100 } });
    await expect(bad).rejects.toMatchObject({ fault: 'bad_config', param: 'vocab' });
    const full = synthModel({
      out: join(scratch, 'a'),
      disk: { freeBytes: () => 1e6, write: () => 0 },
      dimensions: SMALL,
    }).catch((error: unknown) => error);
    expect(await full).toMatchObject({ code: 'model_unavailable' });
    expect(readdirSync(scratch)).toEqual([]);
  });
});

/** Shapes that the bundled models do not have: each int8 form must stay close to its own fp32. */
describe.each([
  ['a head of its own', { tied: false, dimensions: SMALL }],
  ['one KV head', { dimensions: { ...SMALL, kvHeads: 1 } }],
  ['as many KV heads as heads', { dimensions: { ...SMALL, kvHeads: 4 } }],
  ['blocks of 16', { dimensions: { ...SMALL, hidden: 48, headDim: 16 } }],
] as const)('%s', (_name, options) => {
  it('gives the logits of fp32 in every INT8 form', async () => {
    const source = join(scratch, 'source');
    await synthModel({ out: source, sourceOnly: true, ...options });
    const convert = async (form: 'fp32' | 'int8', target: ModelTarget) => {
      const out = join(scratch, `${form}-${target}`);
      return await logitsOf(out, await convertModel(source, { out, form, target }));
    };
    const exact = await convert('fp32', 'dotprod');
    const size = Math.hypot(...exact);
    for (const target of ['dotprod', 'nodotprod', 'avx2'] as const) {
      const rounded = await convert('int8', target);
      const error = Math.hypot(...rounded.map((logit, i) => logit - (exact[i] as number)));
      expect(error / size).toBeLessThan(0.05);
    }
  });
});
