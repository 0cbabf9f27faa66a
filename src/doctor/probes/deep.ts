import { availableParallelism } from 'node:os';
import { brokerCredentials, type Config } from '../../config/index.ts';
import { type Clock, Scope, silentLogger, toTwowattError } from '../../core/index.ts';
import { createEngineSupervisor, type EngineSupervisor, untilReady } from '../../engine/index.ts';
import { connectDevice } from '../../gateway/mqtt/index.ts';
import { createGovernorLoop } from '../../governor/index.ts';
import { chooseProfile, openSensors } from '../../hardware/index.ts';
import type { LocatedModel } from '../../model/index.ts';
import { type GenerationResult, parsePrompt } from '../../protocol/index.ts';
import { inspectJournal } from '../../queue/index.ts';
import { tokensPerSecond } from '../../service/index.ts';
import type { DeepFacts } from '../facts.ts';
import { brokerUrlOf } from './broker.ts';
import { lawFor, readSaved, savedStatePath } from './governor.ts';
import type { ProbeContext } from './index.ts';
import { locateConfigured } from './model.ts';

const PROMPT = {
  messages: [{ role: 'user', content: 'What is MQTT?' }],
  max_tokens: 32,
};
/** Within the probe's own deadline; a paced board may take its time for the first frame. */
const SILENCE_MS = 60_000;

/** Through the daemon that runs: a second engine beside it could take the memory of both. */
async function askDaemon(config: Config, clock: Clock): Promise<DeepFacts> {
  const { mqtt, node } = config;
  const client = await connectDevice({
    url: brokerUrlOf(mqtt),
    node: node.id,
    baseTopic: mqtt.base_topic,
    ...(mqtt.embedded ? {} : brokerCredentials(mqtt, process.env)),
    clock,
  });
  try {
    // Greedy and always the same: a daemon that answered it before must not send its stored answer,
    // and does not, because every prompt of a client has an id of its own.
    const prompt = { ...PROMPT, route: 'edge', privacy: 'local' };
    const frame = await client.ask({ prompt, silenceMs: SILENCE_MS });
    if (frame.type === 'error') return { ok: false, message: frame.error.message };
    return {
      ok: true,
      by: `the running daemon, ${frame.model}`,
      tokens: frame.usage.completion_tokens,
      tokensPerS: frame.timing.tokens_per_s,
      ttftMs: frame.timing.ttft_ms,
      totalMs: frame.timing.total_ms,
    };
  } finally {
    await client.close();
  }
}

/**
 * Paces the engine as the daemon would, by pauses and threads. The clock's bound stays as it is:
 * whoever examines a board must not leave it changed.
 */
function govern(
  engine: EngineSupervisor,
  located: LocatedModel & { converted: true },
  config: Config,
  clock: Clock,
): { close(): void } {
  const { match } = chooseProfile(config.hardware);
  const profile = match?.profile ?? null;
  const sensors = openSensors({
    sysfsRoot: config.hardware.sysfs_root,
    procRoot: config.hardware.proc_root,
    vcgencmd: config.hardware.vcgencmd,
    profile,
    clock,
    pid: process.pid,
    logger: silentLogger,
  });
  const saved = readSaved(savedStatePath(config));
  const nowMs = clock.monotonicMs();
  const loop = createGovernorLoop({
    law: lawFor({ values: config, profile, located, saved, nowMs }),
    clock,
    sampleHz: config.governor.sample_hz,
    sample: () => sensors.sample(),
    applyOrder({ threads: wanted }) {
      const threads = config.engine.threads || Math.min(wanted, availableParallelism());
      engine.setThreads(threads);
      return { threads, maxFreqKhz: null };
    },
    onDecision: ({ chunkRows }) => engine.setChunkRows(chunkRows),
  });
  engine.setGate(loop.gate);
  return {
    close() {
      loop.close();
      sensors.close();
    },
  };
}

async function generate(engine: EngineSupervisor): Promise<GenerationResult> {
  const { generate: request } = parsePrompt(PROMPT);
  for await (const part of engine.generate(request, new AbortController().signal)) {
    if (part.type === 'done') return part.result;
    if (part.type === 'error') throw new Error(part.error.message);
  }
  throw new Error('the engine ended its answer without a last word');
}

async function askEngine(config: Config, clock: Clock): Promise<DeepFacts> {
  const located = await locateConfigured(config);
  if (!located.converted) {
    return { ok: false, message: 'the model has not been converted yet' };
  }
  const { manifest, folder } = located;
  const scope = new Scope();
  const engine = createEngineSupervisor({
    modelFolder: folder,
    contextTokens: config.model.context_tokens,
    threads: config.engine.threads || availableParallelism(),
    stepTimeoutMs: config.engine.step_timeout_s * 1000,
    logger: silentLogger,
    clock,
  });
  scope.defer('engine', () => engine.close());
  try {
    const governed = govern(engine, located, config, clock);
    scope.defer('governor', () => governed.close());
    engine.start();
    await untilReady(engine);
    const startedMs = clock.monotonicMs();
    const result = await generate(engine);
    return {
      ok: true,
      by: `an engine started for this, ${manifest.id}`,
      tokens: result.completionTokens,
      tokensPerS: tokensPerSecond(result),
      ttftMs: result.prefillMs,
      totalMs: clock.monotonicMs() - startedMs,
    };
  } finally {
    await scope.close();
  }
}

/** Lets the model answer one real prompt, at the pace that the governor grants. */
export async function askOnePrompt({ config, clock }: ProbeContext): Promise<DeepFacts> {
  const { values } = config;
  const running = inspectJournal(values.queue.path).state === 'open';
  try {
    return running ? await askDaemon(values, clock) : await askEngine(values, clock);
  } catch (error) {
    return { ok: false, message: toTwowattError(error).message };
  }
}
