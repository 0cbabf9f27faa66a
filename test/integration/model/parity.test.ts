import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundledModelFolder, convertModel } from '../../../src/model/index.ts';
import type { ModelForm, ModelTarget } from '../../../src/protocol/index.ts';
import { GraphRunner } from './graph-runner.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures');

type TinyGolden = { input_ids: number[]; logits: number[][] };
type NanoGolden = {
  prompts: {
    input_ids: number[];
    top20_ids: number[][];
    top20_logits: number[][];
    last_logits: number[];
    greedy_ids: number[];
  }[];
};

function readJson(...path: string[]): unknown {
  return JSON.parse(readFileSync(join(FIXTURES, ...path), 'utf8'));
}

const tiny = readJson('ernie-tiny', 'logits.json') as TinyGolden;
const nano = readJson('twowatt-nano', 'golden.json') as NanoGolden;

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'twowatt-parity-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

async function convertAndOpen(source: string, form: ModelForm, target: ModelTarget) {
  const out = mkdtempSync(join(scratch, 'model-'));
  const manifest = await convertModel(source, { out, form, target });
  return { manifest, graph: await GraphRunner.open(out, manifest) };
}

/** Largest and root mean square difference. */
function differences(actual: Float32Array[], expected: number[][]) {
  let largest = 0;
  let squares = 0;
  let count = 0;
  for (const [row, values] of actual.entries()) {
    for (const [i, value] of values.entries()) {
      const difference = Math.abs(value - ((expected[row] as number[])[i] as number));
      largest = Math.max(largest, difference);
      squares += difference * difference;
      count += 1;
    }
  }
  return { largest, rms: Math.sqrt(squares / count) };
}

function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) {
    if ((values[i] as number) > (values[best] as number)) best = i;
  }
  return best;
}

const forms: { form: ModelForm; target: ModelTarget }[] = [
  { form: 'fp32', target: 'dotprod' },
  { form: 'int8', target: 'dotprod' },
  { form: 'int8', target: 'nodotprod' },
  { form: 'int8', target: 'avx2' },
];

describe.each(forms)('tiny ERNIE as $form for $target', ({ form, target }) => {
  let opened: Awaited<ReturnType<typeof convertAndOpen>>;
  beforeAll(async () => {
    opened = await convertAndOpen(join(FIXTURES, 'ernie-tiny'), form, target);
  });
  afterAll(() => opened.graph.close());

  it("agrees with llama.cpp's logits of every position", async () => {
    opened.graph.restart();
    const rows: Float32Array[] = [];
    for (const id of tiny.input_ids) rows.push((await opened.graph.step([id])).logits);
    const { largest, rms } = differences(rows, tiny.logits);
    console.log(
      `${form} ${target}: largest error ${largest.toExponential(3)}, rms ${rms.toExponential(3)}`,
    );
    if (form === 'fp32') expect(largest).toBeLessThanOrEqual(1e-4);
    else expect(rms).toBeLessThanOrEqual(0.06);
  });

  it('gives the same result however a prompt is cut into chunks', async () => {
    const last: Float32Array[] = [];
    for (const size of [1, 5, 24]) {
      opened.graph.restart();
      let logits: Float32Array | undefined;
      for (let at = 0; at < tiny.input_ids.length; at += size) {
        ({ logits } = await opened.graph.step(tiny.input_ids.slice(at, at + size)));
      }
      last.push(logits as Float32Array);
    }
    const reference = [...(last[0] as Float32Array)];
    // Only the order of float additions in the attention differs; it may flip a rounding to 8 bits.
    const { largest } = differences(last, [reference, reference, reference]);
    expect(largest).toBeLessThanOrEqual(form === 'fp32' ? 1e-4 : 0.05);
  });

  it('has the promised outputs', async () => {
    opened.graph.restart();
    await opened.graph.step(tiny.input_ids.slice(0, 3));
    const step = await opened.graph.step(tiny.input_ids.slice(3, 7));
    const { layers, kvHeads, headDim, vocab } = opened.manifest.dimensions;
    expect(step.logits.length).toBe(vocab);
    expect(step.newRows.size).toBe(layers * kvHeads * 2);
    for (const dims of step.newRows.values()) expect(dims).toEqual([1, 4, headDim]);
    const sum = step.logits.reduce((total, logit) => total + Math.exp(logit), 0);
    expect(step.logsumexp).toBeCloseTo(Math.log(sum), 5);
  });
});

describe('twowatt-nano', () => {
  it('as fp32 agrees with an independent float32 forward', async () => {
    const { graph } = await convertAndOpen(bundledModelFolder(), 'fp32', 'dotprod');
    for (const prompt of nano.prompts) {
      graph.restart();
      let logits: Float32Array = new Float32Array();
      for (const [position, id] of prompt.input_ids.entries()) {
        ({ logits } = await graph.step([id]));
        const top = (prompt.top20_ids[position] as number[]).map((token) => logits[token] ?? NaN);
        const expected = prompt.top20_logits[position] as number[];
        expect(differences([Float32Array.from(top)], [expected]).largest).toBeLessThan(1e-4);
      }
      expect(differences([logits], [prompt.last_logits]).largest).toBeLessThan(1e-4);
    }
    await graph.close();
  });

  it.each(forms)('as $form for $target answers the golden prompts alike', async (options) => {
    const { graph, manifest } = await convertAndOpen(
      bundledModelFolder(),
      options.form,
      options.target,
    );
    expect(manifest.eosTokenIds).toEqual([2, 4]);
    let same = 0;
    for (const prompt of nano.prompts) {
      graph.restart();
      const answer: number[] = [];
      let next = argmax((await graph.step(prompt.input_ids)).logits);
      while (!manifest.eosTokenIds.includes(next) && answer.length < prompt.greedy_ids.length) {
        answer.push(next);
        next = argmax((await graph.step([next])).logits);
      }
      if ([...answer, next].join() === prompt.greedy_ids.join()) same += 1;
    }
    await graph.close();
    // The last prompt is far out of the model's domain, where near ties may fall the other way.
    expect(same).toBeGreaterThanOrEqual(options.form === 'fp32' ? 8 : 7);
  });
});
