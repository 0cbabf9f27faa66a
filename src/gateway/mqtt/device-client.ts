import { type Clock, newId, type TimerHandle, TwowattError } from '../../core/index.ts';
import {
  FRAME_VERSION,
  type Frame,
  nodeTopics,
  type StateMessage,
  type TerminalFrame,
} from '../../protocol/index.ts';
import { type ClientOptions, connectClient, UnreachableError } from './client.ts';

type DeviceClientOptions = ClientOptions & {
  baseTopic: string;
  /** Id of the board that is asked. */
  node: string;
  clock: Clock;
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

/** Connects to the broker; throws UnreachableError when it is away or refuses us. */
export async function connectDevice(options: DeviceClientOptions): Promise<DeviceClient> {
  const { clock } = options;
  const topics = nodeTopics(options.baseTopic, options.node);
  const { client, where } = await connectClient(options, 'ask');

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
