import type { CloudResult, Money } from '../cloud/index.ts';
import { type Clock, TwowattError } from '../core/index.ts';
import type { StoredPrompt } from '../queue/types.ts';
import type { RouteDecision } from '../router/index.ts';
import type { Withheld } from '../router/privacy/index.ts';
import { toCloudRequest } from './cloud-request.ts';
import type { RoutedPrompt, Routing } from './ports.ts';
import type { Turn } from './turn.ts';

/** How long a prompt without a deadline of its own may take in the cloud. */
const LONGEST_MS = 300_000;

export type CloudOutcome =
  | { kind: 'answer'; result: CloudResult }
  | { kind: 'failure'; error: TwowattError; cost: Money }
  /** The privacy gate lets nothing of it leave. */
  | { kind: 'withheld'; verdict: Withheld };

/** Whether nothing but the cloud may answer: the prompt waits for it until its deadline. */
export const insists = ({ route, model }: RoutedPrompt, routing: Routing): boolean =>
  route === 'cloud' || (route === 'auto' && model !== undefined && routing.inCloud(model));

/** Asks the cloud for a turn's answer. Never throws. */
export async function runInCloud(
  turn: Turn,
  stored: StoredPrompt,
  decision: RouteDecision,
  stop: AbortSignal,
  context: { clock: Clock; routing: Routing; node: string; currency: string },
): Promise<CloudOutcome> {
  const { clock, routing } = context;
  const { prompt } = turn;
  const verdict = routing.clear(turn.request, prompt.privacy);
  if (!verdict.mayLeave) return { kind: 'withheld', verdict };
  const nothing = { amount: 0, currency: context.currency };
  if (routing.cloud === null) {
    const error = new TwowattError('cloud_unavailable', 'no cloud endpoint is configured');
    return { kind: 'failure', error, cost: nothing };
  }
  const unmasker = verdict.createUnmasker();
  const parts = routing.cloud.generate(
    toCloudRequest(turn.request, verdict, {
      id: stored.id,
      trace: turn.trace,
      tier: decision.tier,
      model: prompt.model !== undefined && routing.inCloud(prompt.model) ? prompt.model : null,
      deadlineMs: clock.monotonicMs() + (prompt.deadlineMs ?? LONGEST_MS),
      patient: insists(prompt, routing),
      mayRestart: turn.body.escalatesMidStream,
      idempotencyKey: `${context.node}-${stored.seq}-${stored.bodyHash.slice(0, 16)}`,
      hops: turn.body.hops,
    }),
    stop,
  );
  for await (const part of parts) {
    switch (part.type) {
      case 'delta':
        turn.delta(unmasker.push(part.text));
        break;
      case 'restart':
        unmasker.flush();
        turn.restart(part.reason);
        break;
      case 'done':
        turn.delta(unmasker.flush());
        return {
          kind: 'answer',
          result: { ...part.result, text: verdict.unmask(part.result.text) },
        };
      case 'error':
        return { kind: 'failure', error: TwowattError.fromBody(part.error), cost: part.cost };
    }
  }
  const error = new TwowattError('internal', 'the cloud client ended without an answer');
  return { kind: 'failure', error, cost: nothing };
}
