import { toTwowattError } from '../core/index.ts';
import { DailyBudget } from './budget.ts';
import { EndpointRuntime } from './endpoint.ts';
import { Fleet, upperCost } from './fleet.ts';
import { checkCurrencies } from './options.ts';
import { PromptRun, type PromptRunDeps } from './prompt-run.ts';
import { RetryBudget } from './retry-budget.ts';
import { createSend } from './send.ts';
import { guessPromptTokens, priceOf } from './tokens.ts';
import type {
  Cloud,
  CloudOptions,
  CloudPart,
  CloudRequest,
  CloudState,
  CostEstimate,
  Money,
} from './types.ts';

/** Throws `invalid_request` for endpoints that a budget cannot be kept with, `internal` when the budget's store cannot be read. */
export function createCloud(options: CloudOptions): Cloud {
  const { clock, random, transport } = options;
  checkCurrencies(options.endpoints, options.budget);
  const logger = options.logger.child({ room: 'cloud' });
  const budget = new DailyBudget(options.budget, clock, logger);
  const endpoints = options.endpoints.map(
    (spec) => new EndpointRuntime(spec, { clock, logger, random }, () => fleet.ring()),
  );
  const { currency } = options.budget;
  const { failover } = options;
  const fleet = new Fleet({ endpoints, budget, failover, currency, clock, random });
  const deps: PromptRunDeps = {
    send: createSend(transport),
    clock,
    logger,
    fleet,
    retries: new RetryBudget(options.retryRatio, clock),
    hedging: options.hedging,
    random,
    totals: { prompts: 0, calls: 0, retries: 0, hedges: 0, restarts: 0 },
  };
  const running = new Set<PromptRun>();
  let closed = false;

  async function* generate(
    request: CloudRequest,
    signal: AbortSignal,
  ): AsyncGenerator<CloudPart, void, undefined> {
    const run = new PromptRun(deps, request);
    running.add(run);
    if (closed) run.end('closed');
    try {
      yield* run.parts(signal);
    } catch (thrown) {
      // Only a fault of our own can come here; the reader gets its terminal part all the same.
      const fault = toTwowattError(thrown);
      logger.error({ id: request.id, code: fault.code }, 'a cloud prompt failed within the client');
      yield { type: 'error', error: fault.toBody(), cost: { amount: 0, currency }, calls: 0 };
    } finally {
      running.delete(run);
    }
  }

  function costs(): Money[] {
    const sums = new Map<string, number>([[currency, 0]]);
    for (const { cost } of endpoints.map((endpoint) => endpoint.state())) {
      sums.set(cost.currency, (sums.get(cost.currency) ?? 0) + cost.amount);
    }
    return [...sums].map(([name, amount]) => ({ amount, currency: name }));
  }

  return {
    generate,
    estimateCost(request): CostEstimate | null {
      const endpoint = fleet.firstChoice(request);
      if (endpoint === null) return null;
      const prompt = endpoint.promptGauge.correct(guessPromptTokens(request));
      const { name, currency: charged } = endpoint.spec;
      const answer = endpoint.usualAnswerTokens(request.maxTokens);
      return {
        endpoint: name,
        currency: charged,
        expected: priceOf(endpoint.spec, prompt, answer),
        upper: upperCost(endpoint, request),
      };
    },
    state(): CloudState {
      const downMs = endpoints.map((endpoint) => endpoint.unreachableForMs());
      const down = downMs.filter((ms) => ms !== null);
      const reachable = down.length < endpoints.length;
      return {
        reachable,
        unreachableForMs: reachable || down.length === 0 ? null : Math.min(...down),
        endpoints: endpoints.map((endpoint) => endpoint.state()),
        budget: budget.state(),
        totals: { ...deps.totals },
        costs: costs(),
      };
    },
    async close() {
      closed = true;
      for (const run of running) run.end('closed');
      // Calls settle without their reader, who may never come back.
      await Promise.all([...running].map((run) => run.settled()));
      budget.close();
      await transport.close();
    },
  };
}
