import { brokerCredentials } from '../config/index.ts';
import type { Clock } from '../core/index.ts';
import { connectDevice, type DeviceClient, UnreachableError } from '../gateway/mqtt/index.ts';
import { isTopicLevel } from '../protocol/index.ts';
import type { Answerer, PromptOptions } from './answerer.ts';
import { CliError, EXIT } from './common.ts';
import { loadConfigForCli } from './config.ts';

/** How long after the subscription the retained state may take; a broker sends it at once, if there is one. */
const STATE_WAIT_MS = 300;

async function unreachable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof UnreachableError) throw new CliError(EXIT.unreachable, error.message);
    throw error;
  }
}

async function refuseWhenOffline(client: DeviceClient, node: string): Promise<void> {
  // Without a retained state the prompt itself will tell; with one that says offline, it would wait
  // at the broker and be answered to nobody, later.
  const state = await client.nodeState(STATE_WAIT_MS);
  if (state?.state !== 'offline') return;
  const since = state.since === null ? '' : ` since ${state.since}`;
  throw new CliError(
    EXIT.unreachable,
    `node "${node}" is offline${since}: its daemon is not running`,
  );
}

/** Asks a board through its broker, as any device would. */
export async function openRemoteAnswerer(context: {
  options: PromptOptions;
  broker: string;
  node: string;
  clock: Clock;
}): Promise<Answerer> {
  const { options, broker, node, clock } = context;
  if (!isTopicLevel(node)) {
    throw new CliError(EXIT.usage, `--node: "${node}" cannot be a level of a topic`);
  }
  const { mqtt } = loadConfigForCli(options).values;
  const silenceMs = options.timeout * 1000;
  const client = await unreachable(
    connectDevice({
      url: broker,
      node,
      baseTopic: mqtt.base_topic,
      // They come from the configuration: never from the command line.
      ...brokerCredentials(mqtt, process.env),
      clock,
      connectTimeoutMs: silenceMs,
    }),
  );
  try {
    await refuseWhenOffline(client, node);
  } catch (error) {
    await client.close();
    throw error;
  }
  return {
    about: `node ${node} at ${broker}`,
    answer: (prompt, { onFrame, signal }) =>
      unreachable(client.ask({ prompt, onFrame, signal, silenceMs })),
    close: () => client.close(),
  };
}
