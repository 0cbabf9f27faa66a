import { type Clock, type ErrorBody, newId, TwowattError } from '../../core/index.ts';
import { nodeTopics, parseJson, type Verb } from '../../protocol/index.ts';

export type RequestOutcome =
  | { status: 'ok'; data: unknown }
  | { status: 'error'; error: ErrorBody }
  | { status: 'timeout' };

export type Requests = {
  /** One request to one board. Never rejects. */
  send(node: string, verb: Verb, args: Record<string, unknown>): Promise<RequestOutcome>;
  /** A payload on `{base}/{node}/response/{verb}`; those of other people's requests are passed over. */
  answered(node: string, payload: Buffer): void;
};

const LARGEST_RESPONSE_BYTES = 1024 * 1024;

/** Requests of the contract (section 1): each with a transaction of its own, at most once, with a deadline. */
export function createRequests(options: {
  base: string;
  clock: Clock;
  timeoutMs: number;
  publish: (topic: string, payload: string) => Promise<boolean>;
}): Requests {
  const { clock } = options;
  const waiting = new Map<string, { node: string; settle: (outcome: RequestOutcome) => void }>();

  return {
    send(node, verb, args) {
      const transaction = newId();
      const { promise, resolve } = Promise.withResolvers<RequestOutcome>();
      const settle = (outcome: RequestOutcome) => {
        timer.cancel();
        waiting.delete(transaction);
        resolve(outcome);
      };
      const timer = clock.setTimer(options.timeoutMs, () => settle({ status: 'timeout' }));
      waiting.set(transaction, { node, settle });
      const refused = () => {
        const error = new TwowattError('internal', 'the broker did not take the request');
        settle({ status: 'error', error: error.toBody() });
      };
      const topic = `${nodeTopics(options.base, node).requestPrefix}${verb}`;
      options
        .publish(topic, JSON.stringify({ ...args, transaction }))
        .then((taken) => (taken ? undefined : refused()))
        .catch(refused);
      return promise;
    },
    answered(node, payload) {
      if (payload.length > LARGEST_RESPONSE_BYTES) return;
      let body: Record<string, unknown> | null;
      try {
        body = parseJson(payload.toString()) as Record<string, unknown> | null;
      } catch {
        return;
      }
      const transaction = body?.['transaction'];
      const asked = typeof transaction === 'string' ? waiting.get(transaction) : undefined;
      if (body === null || asked === undefined || asked.node !== node) return;
      if (body['status'] === 'ok') asked.settle({ status: 'ok', data: body['data'] ?? null });
      else asked.settle({ status: 'error', error: readError(body['error']) });
    },
  };
}

function readError(value: unknown): ErrorBody {
  const { code, message } = (value ?? {}) as Partial<ErrorBody>;
  return {
    code: typeof code === 'string' ? code : 'internal',
    message: typeof message === 'string' ? message.slice(0, 500) : 'the board gave no reason',
    retryable: false,
  };
}
