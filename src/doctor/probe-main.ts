/**
 * The process that looks at things: the one that may hang, be killed and be started again (examine.ts
 * says why). Answers the probes it is asked for, in order, over the IPC channel, and ends.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { ConfigError, type LoadedConfig, loadConfig, secretFiles } from '../config/index.ts';
import { createSystemClock } from '../core/index.ts';
import { profileDefaultsFor } from '../hardware/index.ts';
import type { Outcome, ProbeName } from './facts.ts';
import type { ProbeOptions, ProbeReply, ProbeRequest } from './probe-messages.ts';
import { PROBES } from './probes/index.ts';
import { createScrubber } from './scrub.ts';

function readConfig(options: ProbeOptions): LoadedConfig {
  return loadConfig({
    file: options.config,
    set: options.set,
    env: process.env,
    homeFolder: options.homeFolder,
    profileDefaults: profileDefaultsFor,
  });
}

/** What must not leave this process. A file that cannot be read, or would be waited for, adds nothing. */
function secretTexts(config: LoadedConfig['values']): string[] {
  return secretFiles(config, process.env).flatMap(({ path }) => {
    try {
      const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        if (!fstatSync(descriptor).isFile()) return [];
        const text = readFileSync(descriptor, 'utf8');
        // Line by line too: a key's lines may stand in a message without each other.
        return [text, ...text.split('\n')].map((line) => line.trim());
      } finally {
        closeSync(descriptor);
      }
    } catch {
      return [];
    }
  });
}

const failure = (error: unknown): Outcome<never> => ({
  ok: false,
  reason: error instanceof Error ? error.message : String(error),
  ...(error instanceof ConfigError ? { invalid: true } : {}),
});

async function answer(
  { options, names }: ProbeRequest,
  reply: (message: ProbeReply) => Promise<void>,
): Promise<void> {
  let config: LoadedConfig;
  try {
    config = readConfig(options);
  } catch (error) {
    const [name] = names;
    if (name !== undefined) await reply({ name, outcome: failure(error) });
    return;
  }
  const scrub = createScrubber(secretTexts(config.values));
  const context = { config, clock: createSystemClock(), homeFolder: options.homeFolder };
  for (const name of names) await reply({ name, outcome: scrub(await outcomeOf(name, context)) });
}

async function outcomeOf(
  name: ProbeName,
  context: Parameters<(typeof PROBES)[ProbeName]>[0],
): Promise<Outcome<unknown>> {
  try {
    return { ok: true, value: await PROBES[name](context) };
  } catch (error) {
    return failure(error);
  }
}

/** Resolves when the message is with the parent, or nobody is there to take it. */
const send = (message: ProbeReply) =>
  new Promise<void>((resolve) => {
    if (process.send === undefined) return resolve();
    process.send(message, () => resolve());
  });

// Not `once`: without a listener the channel, and without that nothing, keeps this process alive.
process.on('message', (message) => {
  void (async () => {
    await answer(message as ProbeRequest, send);
    if (process.connected) process.disconnect();
  })();
});
