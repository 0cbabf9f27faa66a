import { brokerCredentials, type Config, readTlsFiles } from '../config/index.ts';
import type { Clock, Logger, Scope } from '../core/index.ts';
import {
  createMqttGateway,
  type MqttGateway,
  type MqttGatewayHandlers,
  startEmbeddedBroker,
} from '../gateway/mqtt/index.ts';

/** The MQTT gateway as configured, not yet started; with it, in `scope`, the embedded broker. */
export async function openMqtt(parts: {
  config: Config;
  instance: string;
  /** Foreign topics that are listened to. */
  watch: readonly string[];
  handlers: MqttGatewayHandlers;
  logger: Logger;
  clock: Clock;
  scope: Scope;
}): Promise<{ gateway: MqttGateway; brokerUrl: string }> {
  const { config, logger } = parts;
  const url = await brokerUrl(config, logger, parts.scope);
  const gateway = createMqttGateway({
    options: {
      url,
      baseTopic: config.mqtt.base_topic,
      node: config.node.id,
      pools: config.mqtt.pools,
      watch: parts.watch,
      instance: parts.instance,
      keepaliveS: config.mqtt.keepalive_s,
      receiveMaximum: config.mqtt.receive_maximum,
      sessionExpiryS: config.mqtt.session_expiry_s,
      maxPayloadBytes: config.queue.max_payload_bytes,
      ...brokerCredentials(config.mqtt, process.env),
      tls: () => readTlsFiles(config.mqtt.tls, process.env),
    },
    handlers: parts.handlers,
    logger: logger.child({ room: 'mqtt' }),
    clock: parts.clock,
  });
  return { gateway, brokerUrl: url };
}

async function brokerUrl(config: Config, logger: Logger, scope: Scope): Promise<string> {
  if (!config.mqtt.embedded) return config.mqtt.url;
  const broker = await startEmbeddedBroker({
    port: config.mqtt.embedded_port,
    logger: logger.child({ room: 'broker' }),
  });
  scope.defer('embedded broker', () => broker.close());
  return broker.url;
}
