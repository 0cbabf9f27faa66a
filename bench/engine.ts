/**
 * What the engine does on this machine: `node bench/engine.ts MODEL_FOLDER [--threads 1,2]
 * [--reps 5] [--steps 48] [--json]`. Each thread count runs in a fresh process. Prefill and decode
 * are the engine's own steps with its own sampler and cache; `ready` is the whole way from fork to
 * ready, tokenizer included. Medians; run it beside nothing else.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { createSystemClock, silentLogger } from '../src/core/index.ts';
import { createEngineSupervisor } from '../src/engine/index.ts';
import { MOST_CHUNK_ROWS, KvCache } from '../src/engine/process/kv-cache.ts';
import { readManifest } from '../src/engine/process/model-folder.ts';
import { createSampler } from '../src/engine/process/sampler.ts';
import { EngineSession } from '../src/engine/process/session.ts';

type Figures = {
  threads: number;
  ready_s: number | null;
  load_s: number;
  prefill_128_tokens_per_s: number;
  prefill_512_tokens_per_s: number;
  decode_at_64_tokens_per_s: number;
  decode_at_1000_tokens_per_s: number;
  rss_after_load_mb: number;
  rss_peak_mb: number;
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1,2' },
    reps: { type: 'string', default: '5' },
    steps: { type: 'string', default: '48' },
    json: { type: 'boolean', default: false },
    worker: { type: 'boolean', default: false },
  },
});
const folder = positionals[0];
if (folder === undefined) {
  process.stderr.write('usage: node bench/engine.ts MODEL_FOLDER [--threads 1,2] [--json]\n');
  process.exit(2);
}
const reps = Number(values.reps);
const steps = Number(values.steps);

function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] as number;
}

function megabytes(key: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024;
}

const round = (value: number, digits = 1): number => Number(value.toFixed(digits));

async function measure(model: string, threads: number): Promise<Omit<Figures, 'ready_s'>> {
  const manifest = readManifest(model);
  const { vocab } = manifest.dimensions;
  const cache = new KvCache(manifest.dimensions);
  const startedAt = performance.now();
  const session = await EngineSession.open(model, manifest, cache, threads);
  const loadS = (performance.now() - startedAt) / 1000;
  const rssAfterLoad = megabytes('VmRSS');
  const tokens = (count: number) =>
    Array.from({ length: count }, (_, index) => (index * 7919 + 13) % vocab);

  const prefill = async (count: number): Promise<number> => {
    cache.truncate(0);
    const prompt = tokens(count);
    const at = performance.now();
    for (let from = 0; from < count; from += MOST_CHUNK_ROWS) {
      await session.step(prompt.slice(from, from + MOST_CHUNK_ROWS), 'prefill', cache);
    }
    return performance.now() - at;
  };
  const prefillRate = async (count: number): Promise<number> => {
    const times: number[] = [];
    for (let rep = 0; rep < reps; rep++) times.push(await prefill(count));
    return (count * 1000) / median(times);
  };
  const decodeRate = async (context: number): Promise<number> => {
    await prefill(context);
    const sampler = createSampler(
      { temperature: 0, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, seed: null },
      vocab,
      Math.random,
    );
    const times: number[] = [];
    let token = 5;
    for (let step = 0; step < steps; step++) {
      const at = performance.now();
      const { logits } = await session.step([token], 'decode', cache);
      token = sampler.choose(logits);
      times.push(performance.now() - at);
    }
    return 1000 / median(times);
  };
  const figures = {
    threads,
    load_s: round(loadS, 2),
    prefill_128_tokens_per_s: round(await prefillRate(128)),
    prefill_512_tokens_per_s: round(await prefillRate(512)),
    decode_at_64_tokens_per_s: round(await decodeRate(64)),
    decode_at_1000_tokens_per_s: round(await decodeRate(1000)),
    rss_after_load_mb: round(rssAfterLoad, 0),
    rss_peak_mb: round(megabytes('VmHWM'), 0),
  };
  await session.release();
  return figures;
}

/** From fork to ready as the daemon sees it; null for a folder that has no tokenizer. */
async function secondsToReady(model: string, threads: number): Promise<number | null> {
  const clock = createSystemClock();
  const engine = createEngineSupervisor({
    modelFolder: model,
    threads,
    logger: silentLogger,
    clock,
  });
  const startedAt = clock.monotonicMs();
  const { promise, resolve } = Promise.withResolvers<number | null>();
  engine.onStatus(({ state }) => {
    if (state === 'ready') resolve((clock.monotonicMs() - startedAt) / 1000);
    if (state === 'unavailable') resolve(null);
  });
  engine.start();
  const seconds = await promise;
  await engine.close();
  return seconds === null ? null : round(seconds, 2);
}

if (values.worker) {
  process.stdout.write(JSON.stringify(await measure(folder, Number(values.threads))));
} else {
  const rows: Figures[] = [];
  for (const threads of values.threads.split(',').map(Number)) {
    const ready = await secondsToReady(folder, threads);
    const worker = [fileURLToPath(import.meta.url), folder, '--worker', '--threads', `${threads}`];
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...worker,
      '--reps',
      `${reps}`,
      '--steps',
      `${steps}`,
    ]);
    const figures = JSON.parse(stdout) as Omit<Figures, 'ready_s'>;
    rows.push({ ...figures, ready_s: ready });
  }
  if (values.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
  else console.table(rows);
}
