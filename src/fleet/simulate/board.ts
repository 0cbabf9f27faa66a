import { type LightClient, openLightClient } from '../../gateway/mqtt/fleet/index.ts';
import { type Clock, type TimerHandle, newId } from '../../core/index.ts';
import { nodeTopics } from '../../protocol/index.ts';
import { createPlant, type Plant } from './plant.ts';
import { answerSimulated } from './verbs.ts';

export type BoardOptions = {
  url: string;
  username?: string;
  password?: string;
  base: string;
  node: string;
  seed: number;
  keepaliveS: number;
  version: string;
  clock: Clock;
  /** Time as the board believes; faster than the wall's where days are compressed. */
  wallMs: () => number;
  onSent: () => void;
  onReported: () => void;
  onAcknowledged: () => void;
  onConnected: () => void;
};

/** A simulated board on a connection of its own, so that its Last Will is a real one. */
export type SimulatedBoard = {
  readonly plant: Plant;
  connect(): void;
  connected(): boolean;
  /** Steps the plant to now and publishes. */
  report(): void;
  /** Vanishes as in a power cut; the broker tells the world. */
  cut(): void;
  /** Goes silent without closing, until `thaw`: the broker notices after one and a half keepalives. */
  freeze(): void;
  thaw(): void;
  tick(): void;
  /** Says that it goes, and goes. */
  stop(): void;
};

export function createSimulatedBoard(options: BoardOptions): SimulatedBoard {
  const { clock, node } = options;
  const topics = nodeTopics(options.base, node);
  const plant = createPlant(node, options.seed);
  const instance = newId();
  let client: LightClient | undefined;
  let live = false;
  let frozen = false;
  let lastSendMs = 0;
  let lastStepMs = options.wallMs();
  let lastHealth = '';
  let rebooting: TimerHandle | undefined;

  const publish = (topic: string, body: unknown, retain: boolean): void => {
    if (client === undefined || !live || frozen) return;
    client.publish(topic, JSON.stringify(body), retain);
    lastSendMs = clock.monotonicMs();
    options.onSent();
  };
  const sayState = (state: 'online' | 'draining' | 'offline'): void =>
    publish(
      topics.state,
      { state, since: new Date(options.wallMs()).toISOString(), instance },
      true,
    );
  const sayHealth = (): void => {
    const conditions = plant.health(options.wallMs());
    const codes = conditions.map(({ code }) => code).join();
    if (codes === lastHealth) return;
    lastHealth = codes;
    publish(topics.health, conditions, true);
  };

  const onRequest = (topic: string, payload: Buffer): void => {
    const verb = topic.slice(topics.requestPrefix.length);
    const { transaction = null, ...args } = JSON.parse(payload.toString()) as Record<
      string,
      unknown
    >;
    const outcome = answerSimulated(verb, args, plant, {
      wallMs: options.wallMs,
      setState: sayState,
      republish: () => publish(topics.info, plant.info(options.version), true),
      restart() {
        rebooting = clock.setTimer(2000, () => {
          board.stop();
          rebooting = clock.setTimer(3000, () => board.connect());
        });
      },
    });
    publish(topics.response(verb), { transaction, ...outcome }, false);
  };

  const board: SimulatedBoard = {
    plant,
    connect() {
      if (client !== undefined || frozen) return;
      const own: LightClient = openLightClient({
        url: options.url,
        ...(options.username === undefined ? {} : { username: options.username }),
        ...(options.password === undefined ? {} : { password: options.password }),
        clientId: `twowatt-${node}`,
        keepaliveS: options.keepaliveS,
        will: {
          topic: topics.state,
          payload: JSON.stringify({ state: 'offline', since: null, instance }),
        },
        onConnected() {
          live = true;
          options.onConnected();
          own.subscribe([topics.requestFilter]);
          publish(topics.info, plant.info(options.version), true);
          lastHealth = 'unsaid';
          sayHealth();
          sayState(plant.draining ? 'draining' : 'online');
        },
        onMessage({ topic, payload }) {
          if (topic.startsWith(topics.requestPrefix)) onRequest(topic, payload);
        },
        onAcknowledged: options.onAcknowledged,
        onClosed() {
          if (client !== own) return;
          client = undefined;
          live = false;
        },
      });
      client = own;
    },
    connected: () => live,
    report() {
      const now = options.wallMs();
      const telemetry = plant.step(Math.max(1, (now - lastStepMs) / 1000), now);
      lastStepMs = now;
      publish(topics.telemetry, telemetry, false);
      if (live && !frozen) options.onReported();
      sayHealth();
    },
    cut() {
      client?.end('cut');
    },
    freeze() {
      frozen = true;
    },
    thaw() {
      frozen = false;
    },
    tick() {
      if (!live || frozen) return;
      if (clock.monotonicMs() - lastSendMs < options.keepaliveS * 700) return;
      lastSendMs = clock.monotonicMs();
      client?.ping();
    },
    stop() {
      rebooting?.cancel();
      if (!live) {
        client?.end('cut');
        return;
      }
      sayState('offline');
      client?.end('politely');
    },
  };
  return board;
}
