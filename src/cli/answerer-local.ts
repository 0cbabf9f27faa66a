import { availableParallelism } from 'node:os';
import { type Clock, newId, silentLogger, TwowattError } from '../core/index.ts';
import { createEngineSupervisor, untilReady } from '../engine/index.ts';
import { resolveModel } from '../model/index.ts';
import {
  type Frame,
  parsePrompt,
  type RouteOutcome,
  type TerminalFrame,
} from '../protocol/index.ts';
import { doneFrame, type Engine, errorFrame, frameHead } from '../service/index.ts';
import type { Answerer, PromptOptions } from './answerer.ts';
import type { CommonOptions } from './common.ts';
import { loadConfigForCli } from './config.ts';
import { createProgressView } from './progress.ts';

/** Nobody asked a router: the engine on this machine was chosen by the command. */
const ROUTE: RouteOutcome = {
  target: 'edge',
  endpoint: null,
  reasons: ['explicit'],
  difficulty: null,
  escalated: false,
};

const PHASES = { weights: 'converting the model', digests: 'checking what was written' };

/** The model that `--model` or the configuration names, converted if it has to be. */
async function prepare(options: CommonOptions & { model?: string }) {
  const { values } = loadConfigForCli(options);
  const progress = createProgressView();
  try {
    const { folder, manifest } = await resolveModel({
      path: options.model ?? values.model.path,
      cacheFolder: values.model.cache_path,
      form: values.model.dtype,
      contextTokens: values.model.context_tokens,
      procRoot: values.hardware.proc_root,
      onProgress: ({ phase, done, total }) => progress.update(PHASES[phase], done, total),
    });
    return { folder, manifest, values };
  } finally {
    progress.end();
  }
}

/** The engine on this machine, without a daemon: its own process, which ends with the command. */
export async function openLocalEngine(context: {
  options: CommonOptions & { model?: string };
  clock: Clock;
}) {
  const { clock } = context;
  const { folder, manifest, values } = await prepare(context.options);
  const contextTokens = Math.min(manifest.dimensions.contextTokens, values.model.context_tokens);
  const engine = createEngineSupervisor({
    modelFolder: folder,
    facts: {
      id: manifest.id,
      digest: manifest.digest,
      architecture: manifest.architecture,
      form: manifest.form,
      parameters: manifest.parameters,
      contextTokens,
    },
    contextTokens,
    threads: values.engine.threads || availableParallelism(),
    stepTimeoutMs: values.engine.step_timeout_s * 1000,
    logger: silentLogger,
    clock,
  });
  engine.start();
  try {
    await untilReady(engine);
  } catch (error) {
    await engine.close();
    throw error;
  }
  return { engine, manifest, folder, values, contextTokens };
}

/** Answers of the engine on this machine. */
export async function openLocalAnswerer(context: {
  options: PromptOptions;
  clock: Clock;
}): Promise<Answerer> {
  const { clock } = context;
  const { engine, manifest, values } = await openLocalEngine(context);
  return {
    about: `${manifest.id} (${manifest.form}) on this machine`,
    answer: (prompt, { onFrame, signal }) =>
      answerLocally({ engine, clock, node: values.node.id, model: manifest.id }, prompt, {
        onFrame,
        signal,
      }),
    close: () => engine.close(),
  };
}

/** The frames that a board would have sent. */
async function answerLocally(
  here: { engine: Engine; clock: Clock; node: string; model: string },
  prompt: Readonly<Record<string, unknown>>,
  { onFrame, signal }: { onFrame: (frame: Frame) => void; signal: AbortSignal },
): Promise<TerminalFrame> {
  const { engine, clock } = here;
  const head = frameHead(newId(), here.node);
  const { generate } = parsePrompt(prompt);
  const startedMs = clock.monotonicMs();
  const passedMs = () => clock.monotonicMs() - startedMs;
  let firstMs: number | undefined;
  let seq = 0;
  const end = (frame: TerminalFrame) => {
    onFrame(frame);
    return frame;
  };
  for await (const part of engine.generate(generate, signal)) {
    switch (part.type) {
      case 'delta':
        firstMs ??= passedMs();
        onFrame({ ...head, type: 'delta', seq: seq++, text: part.text });
        break;
      case 'signals':
        // Not asked for.
        break;
      case 'restart':
        seq = 0;
        onFrame({ ...head, type: 'restart', reason: part.reason });
        break;
      case 'done': {
        const { result } = part;
        return end(
          doneFrame(head, {
            result,
            model: here.model,
            route: ROUTE,
            queuedMs: 0,
            ttftMs: firstMs ?? result.prefillMs,
            totalMs: passedMs(),
            energy: null,
            cost: { amount: 0, currency: 'USD' },
          }),
        );
      }
      case 'error':
        return end(errorFrame(head, part.error));
    }
  }
  throw new TwowattError('internal', 'the engine ended its answer without a last word');
}
