import type { Cloud, CloudPart, CloudRequest, CloudState } from '../../src/cloud/index.ts';
import { type Clock, sleep, TwowattError } from '../../src/core/index.ts';

export type FakeCloud = Cloud & {
  /** Everything that would have left the board. */
  requests: CloudRequest[];
  reachable: boolean;
  budgetLeft: boolean;
};

/**
 * A cloud that answers from a script: text, an error, or `null` for a patient wait that only its
 * deadline ends. One delta a word.
 */
export function createFakeCloud(options: {
  clock: Clock;
  answer: (request: CloudRequest) => string | TwowattError | null;
}): FakeCloud {
  const { clock } = options;
  const nothing = { amount: 0, currency: 'USD' };
  const fail = (error: TwowattError): CloudPart => ({
    type: 'error',
    error: error.toBody(),
    cost: { amount: 0.0005, currency: 'USD' },
    calls: 1,
  });
  const cloud: FakeCloud = {
    requests: [],
    reachable: true,
    budgetLeft: true,
    async *generate(request, signal): AsyncGenerator<CloudPart> {
      if (!request.mayLeave) throw new Error('a prompt that may not leave was sent');
      cloud.requests.push(request);
      const answer = options.answer(request);
      if (answer === null) {
        await sleep(clock, Math.max(0, request.deadlineMs - clock.monotonicMs()), signal);
        yield fail(
          signal.aborted
            ? new TwowattError('cancelled', 'cancelled before the first token')
            : new TwowattError('expired', 'the deadline passed'),
        );
        return;
      }
      if (answer instanceof TwowattError) {
        yield fail(answer);
        return;
      }
      const words = answer.split(/(?<= )/);
      for (const text of words) yield { type: 'delta', text };
      yield {
        type: 'done',
        result: {
          text: answer,
          finishReason: 'stop',
          usage: {
            promptTokens: 10,
            completionTokens: words.length,
            cachedTokens: 0,
            estimated: false,
          },
          endpoint: 'big',
          model: 'ernie-big',
          cost: { amount: 0.002, currency: 'USD' },
          timing: { firstTokenMs: 5, totalMs: 20 },
          confidence: null,
          logprobs: null,
          calls: 1,
        },
      };
    },
    estimateCost: () => null,
    state: (): CloudState => ({
      reachable: cloud.reachable,
      unreachableForMs: cloud.reachable ? null : 1000,
      endpoints: [],
      budget: {
        limit: 1,
        spent: 0,
        reserved: 0,
        left: cloud.budgetLeft ? 1 : 0,
        currency: 'USD',
        exhausted: !cloud.budgetLeft,
      },
      totals: { prompts: 0, calls: 0, retries: 0, hedges: 0, restarts: 0 },
      costs: [nothing],
    }),
    close: async () => {},
  };
  return cloud;
}
