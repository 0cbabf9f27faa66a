/**
 * The engine process: opens one model, answers one job at a time, and talks to the supervisor over
 * the fork's channel (see ../messages.ts). It ends when the channel closes, so that no engine
 * outlives its daemon; an error outside a job ends it too, and the supervisor starts another.
 */
import { randomBytes } from 'node:crypto';
import {
  createQuietCollector,
  createSystemClock,
  processCpuMs,
  TwowattError,
} from '../../core/index.ts';
import type { ModelManifest } from '../../protocol/index.ts';
import type { FromEngine, ToEngine } from '../messages.ts';
import { answer, type Workbench } from './answer.ts';
import { KvCache, MOST_CHUNK_ROWS } from './kv-cache.ts';
import { LoadError } from './load-error.ts';
import { factsOf, readManifest } from './model-folder.ts';
import { EngineSession } from './session.ts';
import { StepAsker } from './step-asker.ts';
import { type EngineTokenizer, loadTokenizer } from './tokenizer.ts';

/** Signs of life between parts: enough for any watchdog, too few to cost anything. */
const PROGRESS_PERIOD_MS = 250;

type LoadMessage = Extract<ToEngine, { type: 'load' }>;
type GenerateMessage = Extract<ToEngine, { type: 'generate' }>;
type Opened = {
  folder: string;
  manifest: ModelManifest;
  tokenizer: EngineTokenizer;
  session: EngineSession;
  cache: KvCache;
  contextTokens: number;
};

const nowMs = () => performance.now();

let opened: Opened | undefined;
let running: { job: number; controller: AbortController } | undefined;
let steps = 0;
let lastSignMs = 0;

function send(message: FromEngine): void {
  lastSignMs = nowMs();
  // The channel may close at any moment; 'disconnect' then ends the process.
  process.send?.(message, undefined, undefined, () => {});
}

let chunkRows = MOST_CHUNK_ROWS;
const gate = new StepAsker(send, processCpuMs);
const garbage = createQuietCollector({
  clock: createSystemClock(),
  isQuiet: () => running === undefined,
});

async function load({ modelFolder, threads, contextTokens }: LoadMessage): Promise<void> {
  const startedAt = nowMs();
  try {
    const manifest = opened?.folder === modelFolder ? opened.manifest : readManifest(modelFolder);
    const tokenizer =
      opened?.folder === modelFolder ? opened.tokenizer : await loadTokenizer(modelFolder);
    // Released first: two open sessions would need the memory twice.
    await opened?.session.release();
    opened = undefined;
    const cache = new KvCache(manifest.dimensions);
    const session = await EngineSession.open(modelFolder, manifest, cache, threads);
    const context = Math.min(contextTokens ?? Infinity, manifest.dimensions.contextTokens);
    const stepMs = await tryOnce(session, manifest, cache);
    opened = { folder: modelFolder, manifest, tokenizer, session, cache, contextTokens: context };
    const loadMs = nowMs() - startedAt;
    send({ type: 'ready', model: factsOf(manifest, context), threads, loadMs, stepMs });
    garbage.worked();
  } catch (error) {
    const coded =
      error instanceof LoadError
        ? error
        : new LoadError(
            'engine_unavailable',
            `the model cannot be opened: ${error instanceof Error ? error.message : String(error)}`,
            { cause: error },
          );
    send({ type: 'unavailable', trouble: coded.trouble, error: coded.toBody() });
  }
}

/**
 * A step before the model counts as ready: a graph that fails or answers NaN is found here. Returns
 * what a further one takes, ms.
 */
async function tryOnce(session: EngineSession, manifest: ModelManifest, cache: KvCache) {
  const { logits, logSumExp } = await session.step([0], 'prefill', cache);
  cache.truncate(0);
  const { vocab } = manifest.dimensions;
  if (logits.length !== vocab || !Number.isFinite(logSumExp)) {
    throw new LoadError(
      'model_corrupt',
      `the graph's first step gave ${logits.length} logits (expected ${vocab}) with log-sum ${logSumExp}`,
    );
  }
  // The first one also allocated and read the weights; the second tells what a step takes.
  const startedAt = nowMs();
  await session.step([0], 'prefill', cache);
  cache.truncate(0);
  return nowMs() - startedAt;
}

async function generate({ job, request }: GenerateMessage): Promise<void> {
  if (opened === undefined || running !== undefined) {
    const why = opened ? 'the engine is busy with another job' : 'no model is open';
    const error = new TwowattError('internal', why).toBody();
    send({ type: 'part', job, part: { type: 'error', error } });
    return;
  }
  const controller = new AbortController();
  running = { job, controller };
  gate.startJob(job);
  const bench: Workbench = {
    session: opened.session,
    cache: opened.cache,
    tokenizer: opened.tokenizer,
    contextTokens: opened.contextTokens,
    chunkRows: () => chunkRows,
    eosTokenIds: new Set(opened.manifest.eosTokenIds),
    gate,
    nowMs,
    freshSeed: () => randomBytes(6).readUIntBE(0, 6),
    onStep() {
      steps += 1;
      if (nowMs() - lastSignMs >= PROGRESS_PERIOD_MS) send({ type: 'progress', job, steps });
    },
  };
  const emit = (part: Parameters<Parameters<typeof answer>[2]>[0]) =>
    send({ type: 'part', job, part });
  const last = await answer(request, controller.signal, emit, bench);
  running = undefined;
  gate.endJob();
  send({ type: 'part', job, part: last });
  garbage.worked();
}

function receive(message: ToEngine): void {
  switch (message.type) {
    case 'load':
      void load(message);
      break;
    case 'generate':
      void generate(message);
      break;
    case 'cancel':
      if (running?.job === message.job) running.controller.abort();
      break;
    case 'gate':
      gate.drive(message.driven);
      break;
    case 'granted':
      gate.granted(message.ask, message.ahead);
      break;
    case 'ahead':
      gate.grantedAhead(message.position);
      break;
    case 'chunks':
      chunkRows = message.rows;
      break;
  }
}

process.on('message', receive);
process.on('disconnect', () => process.exit(0));
// The daemon decides when its engine ends; a Ctrl-C in the terminal reaches the whole group.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
