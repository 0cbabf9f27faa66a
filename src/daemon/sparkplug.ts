import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brokerCredentials, type Config } from '../config/index.ts';
import { type Clock, type Logger, packageVersion, writeFileAtomic } from '../core/index.ts';
import { openWillLink } from '../gateway/mqtt/index.ts';
import type { Telemetry, Verb } from '../protocol/index.ts';

/** In the state folder: the number that ties a birth to its death certificate. */
const STATE_FILE = 'sparkplug.json';

export type Sparkplug = {
  telemetry(telemetry: Telemetry): void;
  close(): Promise<void>;
};

function readBdSeq(file: string): number {
  try {
    const { bd_seq: bdSeq } = JSON.parse(readFileSync(file, 'utf8')) as { bd_seq?: unknown };
    return typeof bdSeq === 'number' && bdSeq >= 0 && bdSeq < 256 ? Math.floor(bdSeq) : -1;
  } catch {
    return -1;
  }
}

/** The Sparkplug B bridge as configured; null while it is switched off. */
export async function openSparkplug(parts: {
  config: Config;
  /** The broker in use, also the embedded one. */
  brokerUrl: string;
  clock: Clock;
  logger: Logger;
  draining: () => boolean;
  lastTelemetry: () => Telemetry | null;
  /** The same requests as over the node's own topics. */
  request: (verb: Verb, args: Record<string, unknown>) => Promise<unknown>;
}): Promise<Sparkplug | null> {
  const { config, clock, logger } = parts;
  const { enabled, group_id: groupId, edge_node_id: id } = config.telemetry.sparkplug;
  if (!enabled) return null;
  const { createSparkplugNode } = await import('../telemetry/sparkplug/index.ts');
  const file = join(config.node.state_folder, STATE_FILE);
  const version = packageVersion();
  const node = createSparkplugNode({
    groupId,
    edgeNodeId: id === '' ? config.node.id : id,
    lastBdSeq: readBdSeq(file),
    saveBdSeq(bdSeq) {
      try {
        writeFileAtomic(file, `${JSON.stringify({ bd_seq: bdSeq })}\n`);
      } catch (error) {
        logger.warn({ error: String(error) }, 'the birth number could not be stored');
      }
    },
    facts: () => ({ version, draining: parts.draining() }),
    lastTelemetry: parts.lastTelemetry,
    onCommand(command) {
      const done =
        command.name === 'budget'
          ? parts.request('governor.set', { budget_w: command.watts })
          : parts.request('drain', { draining: command.draining });
      done.catch((error: unknown) =>
        logger.warn({ command: command.name, error: String(error) }, 'a Sparkplug command failed'),
      );
    },
    clock,
    logger,
  });
  const link = openWillLink({
    url: parts.brokerUrl,
    ...brokerCredentials(config.mqtt, process.env),
    clientId: `twowatt-sparkplug-${config.node.id}`,
    keepaliveS: config.mqtt.keepalive_s,
    topics: [node.commandTopic],
    will: () => node.nextDeath(),
    onOpen: (publish) => node.opened(publish),
    onClosed: () => node.closed(),
    onMessage: (payload) => node.onMessage(payload),
    clock,
    logger,
  });
  return {
    telemetry: (telemetry) => node.telemetry(telemetry),
    close: () => link.close(),
  };
}
