/**
 * What the confidence signals cost: `node bench/signals-cost.ts [--synth] [--reps 400] [--json]`. Runs the
 * engine's own steps on the bundled model, or with `--synth` on ERNIE-4.5-0.3B dimensions with random
 * weights, in turns within one process. With one thread a step runs on the calling thread, so what counts
 * is that thread's CPU time: a shared machine does not disturb it. Medians; `rate` is relative to the first.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { KvCache } from '../src/engine/process/kv-cache.ts';
import { logprob } from '../src/engine/process/logprobs.ts';
import { readManifest } from '../src/engine/process/model-folder.ts';
import { createSampler } from '../src/engine/process/sampler.ts';
import { EngineSession } from '../src/engine/process/session.ts';
import { scoredRows, SignalMeter, topTwo } from '../src/engine/process/signals.ts';
import { bundledModelFolder, convertModel, detectTarget, synthModel } from '../src/model/index.ts';

const { values } = parseArgs({
  options: {
    synth: { type: 'boolean', default: false },
    reps: { type: 'string', default: '400' },
    json: { type: 'boolean', default: false },
  },
});
const reps = Number(values.reps);

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] as number;
}

const GREEDY = { temperature: 0, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, seed: null };

async function open(folder: string) {
  const manifest = readManifest(folder);
  const cache = new KvCache(manifest.dimensions);
  return { manifest, cache, session: await EngineSession.open(folder, manifest, cache, 1) };
}
type Opened = Awaited<ReturnType<typeof open>>;

const tokensFor = ({ manifest }: Opened, count: number) =>
  Array.from({ length: count }, (_, index) => (index * 7919 + 13) % manifest.dimensions.vocab);

type Case = { name: string; prepare: () => Promise<void>; run: () => Promise<unknown> };

function prefillCase(name: string, model: Opened, rows: number, scored: boolean): Case {
  const prompt = tokensFor(model, rows);
  const asked = scored ? scoredRows(prompt, 1, 0, rows) : undefined;
  return {
    name,
    prepare: async () => model.cache.truncate(0),
    run: async () => await model.session.step(prompt, 'prefill', model.cache, asked),
  };
}

const CONTEXT = 64;

function decodeCase(name: string, model: Opened, watched: boolean): Case {
  const sampler = createSampler(GREEDY, model.manifest.dimensions.vocab, Math.random);
  const meter = new SignalMeter(null);
  let next = 5;
  return {
    name,
    async prepare() {
      if (model.cache.length < CONTEXT) {
        await model.session.step(tokensFor(model, CONTEXT), 'prefill', model.cache);
      }
      model.cache.truncate(CONTEXT);
    },
    async run() {
      const { logits, logSumExp } = await model.session.step([next], 'decode', model.cache);
      if (watched) {
        const top = topTwo(logits);
        next = sampler.choose(logits, top.token);
        meter.add(logprob(logits[next] as number, logSumExp), top, logits, logSumExp);
      } else next = sampler.choose(logits);
    },
  };
}

type Figures = { cpu_ms: number; rate: number };

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** The first case is what the others are compared with; the order changes from round to round. */
async function measure(cases: Case[], rounds: number): Promise<Record<string, Figures>> {
  const times = cases.map((): number[] => []);
  for (let round = -3; round < rounds; round++) {
    for (let turn = 0; turn < cases.length; turn++) {
      const index = (turn + Math.abs(round)) % cases.length;
      const one = cases[index] as Case;
      await one.prepare();
      const at = cpuMs();
      await one.run();
      // The first rounds warm the runtime's arena and Node's compiler up.
      if (round >= 0) times[index]?.push(cpuMs() - at);
    }
  }
  const base = median(times[0] as number[]);
  return Object.fromEntries(
    cases.map(({ name }, index) => {
      const own = median(times[index] as number[]);
      return [name, { cpu_ms: Number(own.toFixed(3)), rate: Number((base / own).toFixed(3)) }];
    }),
  );
}

const parent = mkdtempSync(join(tmpdir(), 'twowatt-signals-'));
try {
  const target = detectTarget({ procRoot: '/proc' });
  let source = bundledModelFolder();
  if (values.synth) {
    source = join(parent, 'source');
    await synthModel({ out: source, sourceOnly: true });
  }
  const folders = { plain: join(parent, 'plain'), scoring: join(parent, 'scoring') };
  await convertModel(source, { out: folders.plain, target, promptScores: false });
  await convertModel(source, { out: folders.scoring, target, promptScores: true });
  const plain = await open(folders.plain);
  const scoring = await open(folders.scoring);
  const report: Record<string, Record<string, Figures>> = {
    decode: await measure(
      [
        decodeCase('without signals', plain, false),
        decodeCase('with signals', plain, true),
        decodeCase('with signals, graph that can score', scoring, true),
      ],
      reps,
    ),
  };
  for (const rows of [32, 128]) {
    report[`prefill of ${rows}`] = await measure(
      [
        prefillCase('graph that cannot score', plain, rows, false),
        prefillCase('graph that can, not asked', scoring, rows, false),
        prefillCase('prompt scored', scoring, rows, true),
      ],
      Math.ceil(reps / 4),
    );
  }
  if (values.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else {
    for (const [title, figures] of Object.entries(report)) {
      console.log(`${title}, one thread, ${target}`);
      console.table(figures);
    }
  }
  await plain.session.release();
  await scoring.session.release();
} finally {
  rmSync(parent, { recursive: true, force: true });
}
