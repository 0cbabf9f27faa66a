import { connect, type MqttClient } from 'mqtt';
import { type Clock, newId, type TimerHandle, TwowattError } from '../../core/index.ts';
import {
  FRAME_VERSION,
  type Frame,
  nodeTopics,
  type StateMessage,
  type TerminalFrame,
} from '../../protocol/index.ts';
import { errorProblem, refusalProblem } from './problems.ts';
import type { MqttTlsOptions } from './types.ts';

export type DeviceClientOptions = {
  /** `mqtt://host:1883`, `mqtts://…`, `ws://…` or `wss://…`. */
  url: string;
  baseTopic: string;
  /** Id of the board that is asked. */
  node: string;
  username?: string;
  password?: string;
  tls?: MqttTlsOptions;
  clock: Clock;
  /** How long the broker may take to accept us, milliseconds (default 5000). */
  connectTimeoutMs?: number;
};

type AskOptions = {
  /** The prompt as the contract defines it, without `id` and `stream`. */
  prompt: Readonly<Record<string, unknown>>;
  /** Every frame in the order of arrival, the terminal one included. */
  onFrame?: (frame: Frame) => void;
  /** Aborting cancels the prompt on the board; what it answers to that is the result. */
  signal?: AbortSignal;
  /** How long the board may be silent before its first frame, milliseconds (default 10 000). */
  silenceMs?: number;
};

/** A board's client: what any device does that sends prompts, in the one version of MQTT that every broker speaks. */
export interface DeviceClient {
  /** The board's retained state; undefined when none came within `waitMs`. */
  nodeState(waitMs: number): Promise<StateMessage | undefined>;
  /** Sends one prompt and waits for its terminal frame; throws UnreachableError when nothing answers. */
  ask(options: AskOptions): Promise<TerminalFrame>;
  close(): Promise<void>;
}

/** The broker or the board cannot be reached; the message says what to look at. */
export class UnreachableError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnreachableError';
  }
}

const CONNECT_TIMEOUT_MS = 5000;
const SILENCE_MS = 10_000;
/** A board answers a cancel between two steps of the engine. */
const CANCEL_GRACE_MS = 5000;

type Pending = { topic: string; body: string; take: (frame: Frame) => void };

function readFrame(payload: Buffer): Frame | undefined {
  try {
    const frame = JSON.parse(payload.toString()) as Frame | null;
    return frame?.v === FRAME_VERSION && typeof frame.type === 'string' ? frame : undefined;
  } catch {
    return undefined;
  }
}

function whereOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && /^(mqtts?|wss?):$/.test(parsed.protocol)) return parsed.host;
  throw new TwowattError(
    'invalid_request',
    `${url} is no broker URL; expected one such as mqtt://host:1883`,
    { param: 'broker' },
  );
}

function readState(payload: Buffer): StateMessage | undefined {
  try {
    return (JSON.parse(payload.toString()) as StateMessage | null) ?? undefined;
  } catch {
    return undefined;
  }
}

/** What a cancelled prompt ends with when the board did not confirm it in time. */
function unconfirmedCancel(id: string, node: string): TerminalFrame {
  const error = new TwowattError('cancelled', 'cancelled; the board has not confirmed it');
  return { v: FRAME_VERSION, id, node, type: 'error', error: error.toBody() };
}

/** Waits for the first connection: a person is waiting, so a broker that is away is an error at once. */
function firstConnection(client: MqttClient, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (problem?: string) => {
      client.off('connect', onConnect);
      client.off('error', onError);
      client.off('close', onClose);
      if (problem === undefined) resolve();
      else reject(new UnreachableError(problem));
    };
    const onConnect = () => settle();
    const onError = (error: Error & { code?: unknown }) => {
      // A number is the broker's own answer; a string names a fault of the network.
      settle(
        typeof error.code === 'number'
          ? refusalProblem(where, error.code).message
          : errorProblem(where, error).message,
      );
    };
    const onClose = () => settle(errorProblem(where, undefined).message);
    client.once('connect', onConnect);
    client.once('error', onError);
    client.once('close', onClose);
  });
}

/** Connects to the broker; throws UnreachableError when it is away or refuses us. */
export async function connectDevice(options: DeviceClientOptions): Promise<DeviceClient> {
  const where = whereOf(options.url);
  const { clock } = options;
  const topics = nodeTopics(options.baseTopic, options.node);
  const client = connect(options.url, {
    protocolVersion: 4,
    clientId: `twowatt-ask-${newId()}`,
    clean: true,
    connectTimeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    reconnectPeriod: 1000,
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
    ...options.tls,
  });
  try {
    await firstConnection(client, where);
  } catch (error) {
    await client.endAsync(true).catch(() => undefined);
    throw error;
  }
  // Later faults mend themselves by reconnecting; without a listener they would end the process.
  client.on('error', () => undefined);

  const pending = new Map<string, Pending>();
  let state: StateMessage | undefined;
  let onState: (() => void) | undefined;
  client.on('message', (topic, payload) => {
    if (topic === topics.state) {
      state = readState(payload);
      onState?.();
      return;
    }
    const frame = readFrame(payload);
    if (frame !== undefined) pending.get(topic)?.take(frame);
  });
  // An answer may have passed while we were away. The same id and body again is safe by contract:
  // the board sends its stored answer, or lets us wait for the running one.
  client.on('connect', () => {
    for (const { topic, body } of pending.values()) {
      client
        .subscribeAsync(topic, { qos: 1 })
        .then(() => client.publishAsync(topics.prompt, body, { qos: 1 }))
        .catch(() => undefined);
    }
  });

  return {
    async nodeState(waitMs) {
      if (state !== undefined) return state;
      await client.subscribeAsync(topics.state, { qos: 1 });
      await new Promise<void>((resolve) => {
        const timer = clock.setTimer(waitMs, resolve);
        onState = () => {
          timer.cancel();
          resolve();
        };
        if (state !== undefined) onState();
      });
      onState = undefined;
      return state;
    },

    async ask({ prompt, onFrame, signal, silenceMs = SILENCE_MS }) {
      const id = newId();
      const topic = topics.reply(id);
      const body = JSON.stringify({ ...prompt, id, stream: true });
      const timers: TimerHandle[] = [];
      const { promise, resolve, reject } = Promise.withResolvers<TerminalFrame>();
      promise.catch(() => undefined);

      const cancel = () => {
        client
          .publishAsync(topics.cancel, JSON.stringify({ id }), { qos: 1 })
          .catch(() => undefined);
        const giveUp = () => resolve(unconfirmedCancel(id, options.node));
        timers.push(clock.setTimer(CANCEL_GRACE_MS, giveUp));
      };
      const silence = clock.setTimer(silenceMs, () => {
        const seconds = Math.round(silenceMs / 1000);
        const advice = `is the daemon of node "${options.node}" running, and connected to ${where}?`;
        reject(
          new UnreachableError(`nothing answered on topic ${topic} within ${seconds} s; ${advice}`),
        );
      });
      timers.push(silence);
      try {
        await Promise.race([client.subscribeAsync(topic, { qos: 1 }), promise]);
        if (signal?.aborted === true) return unconfirmedCancel(id, options.node);
        signal?.addEventListener('abort', cancel, { once: true });
        pending.set(topic, {
          topic,
          body,
          take(frame) {
            silence.cancel();
            onFrame?.(frame);
            if (frame.type === 'done' || frame.type === 'error') resolve(frame);
          },
        });
        client.publishAsync(topics.prompt, body, { qos: 1 }).catch(reject);
        return await promise;
      } finally {
        for (const timer of timers) timer.cancel();
        signal?.removeEventListener('abort', cancel);
        pending.delete(topic);
        client.unsubscribeAsync(topic).catch(() => undefined);
      }
    },

    async close() {
      await client.endAsync();
    },
  };
}
