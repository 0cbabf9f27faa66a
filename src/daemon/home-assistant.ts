import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/index.ts';
import { type Clock, type Logger, packageVersion, writeFileAtomic } from '../core/index.ts';
import type { MqttGateway } from '../gateway/mqtt/index.ts';

/** In the state folder: where this board has been announced, so that it can be taken back. */
const MARKER = 'home-assistant.json';
/** All boards hear at the same moment that Home Assistant has started. */
const SPREAD_MS = 3000;

type Gateway = Pick<MqttGateway, 'publishRetained' | 'resendRetained'>;

export type HomeAssistant = {
  /** Topics that the gateway is to listen to. */
  watch: string[];
  /** Announces the board, or takes an earlier announcement back. */
  attach(gateway: Gateway): void;
  onWatched(topic: string, payload: Buffer): void;
  onRetained(topic: string): void;
};

function readMarker(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const { topic } = JSON.parse(readFileSync(file, 'utf8')) as { topic?: unknown };
    return typeof topic === 'string' && topic !== '' ? topic : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The board in Home Assistant, as configured; null where it is switched off and was never announced.
 * `onBirth` is called when Home Assistant has started: it knows no telemetry yet, which is not retained.
 */
export async function openHomeAssistant(parts: {
  config: Config;
  profile: string;
  clock: Clock;
  logger: Logger;
  onBirth: () => void;
}): Promise<HomeAssistant | null> {
  const { config, clock, logger } = parts;
  const { enabled, discovery_prefix: prefix } = config.telemetry.home_assistant;
  const file = join(config.node.state_folder, MARKER);
  const before = readMarker(file);
  if (!enabled && before === undefined) return null;
  const { birthTopic, discoveryMessage, discoveryTopic, isBirth } =
    await import('../telemetry/home-assistant/index.ts');
  const topic = discoveryTopic(prefix, config.node.id);
  let gateway: Gateway | undefined;
  const announce = () =>
    gateway?.publishRetained(
      topic,
      discoveryMessage({
        node: config.node.id,
        baseTopic: config.mqtt.base_topic,
        version: packageVersion(),
        profile: parts.profile,
      }),
    );

  return {
    watch: enabled ? [birthTopic(prefix)] : [],
    attach(attached) {
      gateway = attached;
      if (before !== undefined && (!enabled || before !== topic)) {
        gateway.publishRetained(before, null);
      }
      if (!enabled) return;
      // Before it is announced: an announcement that nobody remembers would stay for ever.
      if (before !== topic) writeFileAtomic(file, `${JSON.stringify({ topic })}\n`);
      announce();
    },
    onWatched(_topic, payload) {
      if (!isBirth(payload)) return;
      logger.info({ topic }, 'Home Assistant has started; announcing this board again');
      clock.setTimer(Math.random() * SPREAD_MS, () => {
        gateway?.resendRetained(topic);
        parts.onBirth();
      });
    },
    onRetained(acknowledged) {
      if (!enabled && acknowledged === before) rmSync(file, { force: true });
    },
  };
}
