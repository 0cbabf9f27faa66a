import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createSystemClock, silentLogger } from '../../../src/core/index.ts';
import { createEngineSupervisor, createHoldableGate } from '../../../src/engine/index.ts';
import type { EngineStatus, GenerationPart } from '../../../src/protocol/index.ts';
import { collect, streamedText } from '../../contract/engine.suite.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';
import {
  convertNano,
  doneOf,
  greedy,
  longPrompt,
  type Nano,
  openNano,
  untilState,
  wild,
} from './nano.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function setUp(options: Parameters<typeof openNano>[0] = {}): Promise<Nano> {
  const nano = await openNano(options);
  undo.push(() => nano.dispose());
  return nano;
}

const never = () => new AbortController().signal;

function killEngine(status: EngineStatus): void {
  if (status.pid !== null) process.kill(status.pid, 'SIGKILL');
}

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

describe('a killed engine', () => {
  it('is replaced, and its prompt is run again after a restart part', async () => {
    const { engine } = await setUp();
    const whole = doneOf(await collect(engine.generate(wild(80), never()))).text;
    const parts: GenerationPart[] = [];
    let killed = false;
    for await (const part of engine.generate(wild(80), never())) {
      parts.push(part);
      if (part.type === 'delta' && !killed) {
        killed = true;
        killEngine(engine.status());
      }
    }
    expect(parts.filter((part) => part.type === 'restart')).toEqual([
      { type: 'restart', reason: 'engine_restarted' },
    ]);
    expect(doneOf(parts).text).toBe(whole);
    expect(streamedText(parts)).toBe(whole);
    expect(engine.status()).toMatchObject({ state: 'ready', restarts: 1, problem: null });
  });

  it('answers internal when the same prompt ends it twice', async () => {
    const { engine } = await setUp();
    const parts: GenerationPart[] = [];
    let pid: number | null = null;
    for await (const part of engine.generate(wild(400), never())) {
      parts.push(part);
      if (part.type === 'delta' && engine.status().pid !== pid) {
        pid = engine.status().pid;
        killEngine(engine.status());
      }
    }
    expect(parts.at(-1)).toMatchObject({ type: 'error', error: { code: 'internal' } });
    expect(doneOf(await collect(engine.generate(wild(5), never()))).completionTokens).toBe(5);
  });

  it('loses no waiting prompt at any moment of 20 kills', async () => {
    const { engine } = await setUp();
    let seed = 12345;
    const random = () => (seed = (seed * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
    let kills = 0;
    const answers: GenerationPart[][] = [];
    while (kills < 20) {
      const stream = collect(engine.generate(wild(30, kills), never()));
      const waiting = collect(engine.generate(wild(3, kills), never()));
      await new Promise((resolve) => setTimeout(resolve, random() * 120));
      killEngine(engine.status());
      kills += 1;
      answers.push(await stream, await waiting);
    }
    for (const parts of answers) {
      const terminals = parts.filter(({ type }) => type === 'done' || type === 'error');
      expect(terminals).toEqual([parts.at(-1)]);
      const last = parts.at(-1);
      if (last?.type === 'error') expect(last.error.code).toBe('internal');
      else expect(streamedText(parts)).toBe(doneOf(parts).text);
    }
    expect(answers.filter((parts) => parts.at(-1)?.type === 'done').length).toBeGreaterThan(20);
    await untilState(engine, 'ready');
  }, 120_000);

  it('is also one that makes no progress within the step time-out', async () => {
    const clock = createVirtualClock();
    const { engine } = await setUp({ clock, stepTimeoutMs: 1000 });
    const { pid } = engine.status();
    process.kill(pid as number, 'SIGSTOP');
    const parts = collect(engine.generate(wild(5), never()));
    await clock.advance(1100);
    await untilState(engine, 'restarting');
    // The wait before the restart begins when the process is really gone, which takes real time.
    while (engine.status().state === 'restarting') {
      await clock.advance(500);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(doneOf(await parts).completionTokens).toBe(5);
    expect(engine.status().pid).not.toBe(pid);
  });

  it('is found hung within seconds with a small model, in the middle of an answer too', async () => {
    const clock = createVirtualClock();
    const { engine } = await setUp({ clock, stepTimeoutMs: 60_000, modelBytes: 3.5e6 });
    const { pid } = engine.status();
    // Driven, as the governor drives it: each step is asked for.
    const gate = createHoldableGate();
    engine.setGate(gate);
    const parts: GenerationPart[] = [];
    for await (const part of engine.generate(wild(40), never())) {
      parts.push(part);
      if (part.type === 'delta' && engine.status().pid === pid && !gate.waiting()) {
        gate.hold();
        while (gate.waiting() === 0) await new Promise((resolve) => setImmediate(resolve));
        process.kill(pid as number, 'SIGSTOP');
        gate.release();
        // Granted but never done.
        await clock.advance(7_900);
        expect(engine.status()).toMatchObject({ pid, state: 'busy' });
        await clock.advance(200);
        await untilState(engine, 'restarting');
        while (engine.status().state === 'restarting') {
          await clock.advance(500);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    }
    expect(doneOf(parts).completionTokens).toBe(40);
    expect(engine.status().restarts).toBe(1);
  });

  it('is not one that waits at a closed gate', async () => {
    const clock = createVirtualClock();
    const { engine } = await setUp({ clock, stepTimeoutMs: 1000 });
    const { pid } = engine.status();
    const gate = createHoldableGate();
    gate.hold();
    engine.setGate(gate);
    const parts = collect(engine.generate(wild(5), never()));
    while (gate.waiting() === 0) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(100_000);
    gate.release();
    expect(doneOf(await parts).completionTokens).toBe(5);
    expect(engine.status()).toMatchObject({ pid, restarts: 0 });
  });
});

describe('the supervisor', () => {
  it('counts progress while it works and stands still while it does not', async () => {
    const { engine } = await setUp();
    const before = engine.progress();
    await collect(engine.generate(greedy({ prompt: longPrompt(60), maxTokens: 4 }), never()));
    const after = engine.progress();
    expect(after).toBeGreaterThan(before);
    expect(engine.progress()).toBe(after);
    expect(engine.status().rssBytes).toBeGreaterThan(20e6);
    expect(engine.status().tokensPerS).toBeGreaterThan(0);
  });

  it('changes threads between jobs without another process', async () => {
    const { engine } = await setUp();
    const { pid } = engine.status();
    const first = collect(engine.generate(wild(20), never()));
    engine.setThreads(2);
    const second = collect(engine.generate(wild(20), never()));
    expect(doneOf(await first).completionTokens).toBe(20);
    expect(doneOf(await second).completionTokens).toBe(20);
    expect(engine.status()).toMatchObject({ threads: 2, pid, restarts: 0 });
  });

  it('closes while it works: draining for its jobs, and no process stays', async () => {
    const { engine, dispose } = await openNano();
    undo.push(dispose);
    const pid = engine.status().pid as number;
    const jobs = [wild(2000), wild(5)].map((request) => collect(engine.generate(request, never())));
    await engine.close();
    for (const parts of await Promise.all(jobs)) {
      expect(parts.at(-1)).toMatchObject({ type: 'error', error: { code: 'draining' } });
    }
    expect(isAlive(pid)).toBe(false);
    expect(await collect(engine.generate(wild(5), never()))).toMatchObject([
      { type: 'error', error: { code: 'draining' } },
    ]);
  });

  it('kills a process that does not end by itself', async () => {
    const { engine, dispose } = await openNano({ closeTimeoutMs: 50 });
    undo.push(dispose);
    const pid = engine.status().pid as number;
    process.kill(pid, 'SIGSTOP');
    await engine.close();
    expect(isAlive(pid)).toBe(false);
  });
});

describe('a model that cannot be served', () => {
  const faults: [string, (folder: string) => void, string, string][] = [
    ['has no manifest', (f) => rmSync(join(f, 'twowatt.json')), 'model_missing', 'twowatt.json'],
    [
      'has no weights',
      (f) => rmSync(join(f, 'model.onnx.data')),
      'model_missing',
      'model.onnx.data',
    ],
    [
      'is cut short',
      (f) => truncateSync(join(f, 'model.onnx.data'), 1000),
      'model_corrupt',
      'model.onnx.data',
    ],
    [
      'has a broken graph',
      (f) => {
        const path = join(f, 'model.onnx');
        writeFileSync(path, Buffer.alloc(readFileSync(path).length, 0xff));
      },
      'model_corrupt',
      'model.onnx',
    ],
    [
      'has a broken tokenizer',
      (f) => truncateSync(join(f, 'tokenizer.json'), 500),
      'model_corrupt',
      'tokenizer.json',
    ],
  ];

  it.each(faults)(
    'because it %s is unavailable with the file named',
    async (_what, spoil, trouble, file) => {
      const { folder, remove } = await convertNano();
      undo.push(remove);
      spoil(folder);
      const engine = createEngineSupervisor({
        modelFolder: folder,
        threads: 1,
        logger: silentLogger,
        clock: createSystemClock(),
      });
      undo.push(() => engine.close());
      const waiting = collect(engine.generate(wild(5), never()));
      engine.start();
      await untilState(engine, 'unavailable');
      expect(engine.trouble()).toBe(trouble);
      expect(engine.status().problem).toMatchObject({ code: 'model_unavailable', param: file });
      for (const parts of [await waiting, await collect(engine.generate(wild(5), never()))]) {
        expect(parts).toMatchObject([{ type: 'error', error: { code: 'model_unavailable' } }]);
      }
    },
  );

  it('is tried again, and served as soon as it is whole', async () => {
    const { folder, remove } = await convertNano();
    undo.push(remove);
    const path = join(folder, 'tokenizer.json');
    copyFileSync(path, `${path}.kept`);
    rmSync(path);
    const states: string[] = [];
    const engine = createEngineSupervisor({
      modelFolder: folder,
      threads: 1,
      logger: silentLogger,
      clock: createSystemClock(),
      backoff: { shortestMs: 10, longestMs: 20 },
    });
    undo.push(() => engine.close());
    engine.onStatus(({ state }) => states.push(state));
    engine.start();
    await untilState(engine, 'unavailable');
    copyFileSync(`${path}.kept`, path);
    await untilState(engine, 'ready');
    expect(new Set(states)).toEqual(new Set(['unavailable', 'ready']));
    expect(engine.trouble()).toBeNull();
    expect(doneOf(await collect(engine.generate(wild(5), never()))).completionTokens).toBe(5);
  });
});

it.skipIf(spawnSync('prlimit', ['--version']).error !== undefined)(
  'an engine for which there are no descriptors is tried again until there are',
  () => {
    const child = join(import.meta.dirname, 'no-descriptors-child.ts');
    const said = execFileSync(process.execPath, [child], { encoding: 'utf8', timeout: 20_000 });
    expect(said).toBe('restarting starting unavailable\n');
  },
);
