import type { Clock, Logger, TimerHandle } from '../../core/index.ts';
import type { FleetMessage } from '../../gateway/mqtt/fleet/index.ts';
import { isTopicLevel } from '../../protocol/index.ts';
import { type FleetStore, type Sample, sampleValues } from '../store/index.ts';
import { readHealth, readInfo, readState, readTelemetry } from './messages.ts';
import type { Registry } from './registry.ts';

/** Messages are stored together after this time at the latest. */
const GATHER_MS = 50;
/**
 * So many are stored at once: Mosquitto sends 20 ahead of their acknowledgement unless told otherwise, and
 * what waits for these would soon be more than it keeps.
 */
const ENOUGH = 12;
const LARGEST_BATCH = 5000;
/** Beyond it nothing more is read from the broker until the store has caught up. */
const MOST_WAITING = 50_000;
/** Whoever may publish could invent nodes without end. */
const MOST_BOARDS = 200_000;
const RETRY_MS = 1000;
const RATE_WINDOW_S = 10;

export type IntakeFigures = {
  messages: number;
  stored: number;
  invalid: number;
  storeFailures: number;
  waiting: number;
};

export type Intake = {
  receive(message: FleetMessage, next: () => void): void;
  figures(): IntakeFigures;
  /** Over the last ten seconds. */
  messagesPerS(): number;
  /** Resolves when everything that was received is stored, or the store failed once more. */
  close(): Promise<void>;
};

/**
 * From the broker into registry and store. Telemetry is acknowledged only after its batch is stored: what a
 * crash takes with it, the broker sends again. A store that fails is tried again with the same batch; the
 * broker keeps the rest meanwhile.
 *
 * With shared subscriptions a server gets all telemetry with QoS 0, for its page, and its share of it with
 * QoS 1, to store (`storesQos0` false).
 */
export function createIntake(options: {
  base: string;
  registry: Registry;
  store: Pick<FleetStore, 'write'>;
  clock: Clock;
  logger: Logger;
  storesQos0: boolean;
  onResponse: (node: string, payload: Buffer) => void;
}): Intake {
  const { registry, store, clock, logger } = options;
  const prefix = `${options.base}/`;
  const figures = { messages: 0, stored: 0, invalid: 0, storeFailures: 0 };
  let waiting: { sample: Sample; acknowledge: () => void }[] = [];
  let held: (() => void)[] = [];
  let writing: Promise<void> | undefined;
  let gathering: TimerHandle | undefined;
  let closed = false;
  const perSecond: number[] = Array.from({ length: RATE_WINDOW_S }, () => 0);
  let rateSecond = 0;

  const countMessage = (): void => {
    figures.messages += 1;
    const second = Math.floor(clock.monotonicMs() / 1000);
    forgetRate(second);
    perSecond[second % RATE_WINDOW_S] = (perSecond[second % RATE_WINDOW_S] ?? 0) + 1;
  };
  const forgetRate = (second: number): void => {
    for (let s = Math.max(rateSecond + 1, second - RATE_WINDOW_S + 1); s <= second; s += 1) {
      perSecond[s % RATE_WINDOW_S] = 0;
    }
    rateSecond = Math.max(rateSecond, second);
  };

  const begin = (): void => {
    gathering?.cancel();
    gathering = undefined;
    writing ??= drain().finally(() => {
      writing = undefined;
      gather();
    });
  };
  const gather = (): void => {
    if (writing !== undefined || waiting.length === 0) return;
    if (waiting.length >= ENOUGH) begin();
    else gathering ??= clock.setTimer(GATHER_MS, begin);
  };

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, LARGEST_BATCH);
      try {
        await store.write(batch.map(({ sample }) => sample));
        figures.stored += batch.length;
        for (const { acknowledge } of batch) acknowledge();
      } catch (error) {
        figures.storeFailures += 1;
        logger.error({ error }, 'telemetry could not be stored; trying again');
        waiting = batch.concat(waiting);
        if (closed) return;
        await new Promise<void>((resolve) => {
          clock.setTimer(RETRY_MS, resolve);
        });
      }
      if (waiting.length < MOST_WAITING) {
        for (const next of held) next();
        held = [];
      }
    }
  }

  const takeTelemetry = (node: string, message: FleetMessage): void => {
    const telemetry = readTelemetry(message.payload);
    if (telemetry === undefined || message.retained) {
      figures.invalid += 1;
      message.acknowledge();
      return;
    }
    const tMs = registry.setTelemetry(node, telemetry);
    if (message.qos === 0 && !options.storesQos0) return;
    const sample = { node, tMs, values: sampleValues(telemetry) };
    waiting.push({ sample, acknowledge: message.acknowledge });
    gather();
  };

  const take = (message: FleetMessage): void => {
    const [node = '', kind = '', ...rest] = message.topic.startsWith(prefix)
      ? message.topic.slice(prefix.length).split('/')
      : [];
    const knows = registry.board(node) !== undefined;
    const allowed =
      isTopicLevel(node) && node !== 'pool' && (knows || registry.size() < MOST_BOARDS);
    if (!allowed) {
      figures.invalid += 1;
      message.acknowledge();
      return;
    }
    if (kind === 'telemetry') {
      takeTelemetry(node, message);
      return;
    }
    message.acknowledge();
    if (kind === 'response') {
      if (rest.length === 1) options.onResponse(node, message.payload);
      return;
    }
    // An empty retained message deletes the one before it: somebody cleans up after a board.
    if (message.payload.length === 0) {
      if (kind === 'state' && knows) registry.setState(node, GONE, message.retained);
      return;
    }
    const state = kind === 'state' ? readState(message.payload) : undefined;
    const info = kind === 'info' ? readInfo(message.payload) : undefined;
    const health = kind === 'health' ? readHealth(message.payload) : undefined;
    if (state !== undefined) registry.setState(node, state, message.retained);
    else if (info !== undefined) registry.setInfo(node, info, message.retained);
    else if (health !== undefined) registry.setHealth(node, health, message.retained);
    else figures.invalid += 1;
  };

  return {
    receive(message, next) {
      countMessage();
      take(message);
      if (waiting.length < MOST_WAITING) next();
      else held.push(next);
    },
    figures: () => ({ ...figures, waiting: waiting.length }),
    messagesPerS() {
      forgetRate(Math.floor(clock.monotonicMs() / 1000));
      return perSecond.reduce((sum, count) => sum + count, 0) / RATE_WINDOW_S;
    },
    async close() {
      closed = true;
      await writing;
      await drain();
    },
  };
}

const GONE = { state: 'offline', since: null, instance: '' } as const;
