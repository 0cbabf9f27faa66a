import { type Clock, newId } from '../../core/index.ts';
import {
  type HealthCondition,
  nodeTopics,
  type StateMessage,
  type Telemetry,
  type Verb,
  type VerbResponse,
} from '../../protocol/index.ts';
import { type ClientOptions, connectClient, UnreachableError } from './client.ts';

/** What a board publishes, as it comes. */
export type BoardNews =
  | { type: 'state'; data: StateMessage }
  | { type: 'health'; data: HealthCondition[] }
  | { type: 'telemetry'; data: Telemetry }
  | { type: 'connection'; data: { connected: boolean } };

/** Somebody who looks at one board through its broker. */
export type BoardWatch = {
  /** Asks the board; throws UnreachableError when it does not answer, Error with its message when it refuses. */
  request(verb: Verb, args?: Record<string, unknown>): Promise<unknown>;
  close(): Promise<void>;
};

const ANSWER_MS = 5000;

function parse(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString()) as unknown;
  } catch {
    return undefined;
  }
}

/** Subscribes to what the board publishes; retained messages come at once. Throws UnreachableError. */
export async function watchBoard(
  options: ClientOptions & { baseTopic: string; node: string; clock: Clock },
  onNews: (news: BoardNews) => void,
): Promise<BoardWatch> {
  const { clock, node } = options;
  const topics = nodeTopics(options.baseTopic, node);
  const { client, where } = await connectClient(options, 'watch');
  const waiting = new Map<string, (response: VerbResponse) => void>();
  const types = new Map<string, Exclude<BoardNews['type'], 'connection'>>([
    [topics.state, 'state'],
    [topics.health, 'health'],
    [topics.telemetry, 'telemetry'],
  ]);
  client.on('message', (topic, payload) => {
    const data = parse(payload);
    if (typeof data !== 'object' || data === null) return;
    const type = types.get(topic);
    if (type !== undefined) {
      onNews({ type, data } as BoardNews);
      return;
    }
    const response = data as VerbResponse;
    if (typeof response.transaction === 'string') waiting.get(response.transaction)?.(response);
  });
  client.on('close', () => onNews({ type: 'connection', data: { connected: false } }));
  client.on('connect', () => onNews({ type: 'connection', data: { connected: true } }));
  await client.subscribeAsync([...types.keys(), topics.response('+')], { qos: 1 });

  return {
    async request(verb, args = {}) {
      const transaction = newId();
      const { promise, resolve, reject } = Promise.withResolvers<VerbResponse>();
      const patience = clock.setTimer(ANSWER_MS, () =>
        reject(new UnreachableError(`node "${node}" at ${where} does not answer`)),
      );
      waiting.set(transaction, resolve);
      try {
        const body = JSON.stringify({ ...args, transaction });
        client.publishAsync(`${topics.requestPrefix}${verb}`, body, { qos: 1 }).catch(reject);
        const response = await promise;
        if (response.status === 'ok') return response.data;
        throw new Error(`${response.error.code}: ${response.error.message}`);
      } finally {
        patience.cancel();
        waiting.delete(transaction);
      }
    },
    async close() {
      await client.endAsync(true);
    },
  };
}
