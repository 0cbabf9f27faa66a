import type { Config } from '../../config/index.ts';
import { brokerCredentials } from '../../config/index.ts';
import type { Clock } from '../../core/index.ts';
import { probeBroker } from '../../gateway/mqtt/index.ts';
import type { BrokerFacts } from '../facts.ts';
import type { ProbeContext } from './index.ts';

const TIMEOUT_MS = 5_000;

export const brokerUrlOf = ({ embedded, embedded_port: port, url }: Config['mqtt']): string =>
  embedded ? `mqtt://127.0.0.1:${port}` : url;

async function look(config: Config, clock: Clock): Promise<BrokerFacts['look']> {
  const { mqtt, node } = config;
  try {
    return await probeBroker({
      url: brokerUrlOf(mqtt),
      baseTopic: mqtt.base_topic,
      node: node.id,
      ...(mqtt.embedded ? {} : brokerCredentials(mqtt, process.env)),
      clock,
      timeoutMs: TIMEOUT_MS,
    });
  } catch (error) {
    // A URL, password file or certificate that the daemon could not use either.
    const message = error instanceof Error ? error.message : String(error);
    return { ok: false, where: mqtt.url, unreachable: false, message };
  }
}

export async function lookAtBroker({ config, clock }: ProbeContext): Promise<BrokerFacts> {
  return { embedded: config.values.mqtt.embedded, look: await look(config.values, clock) };
}
