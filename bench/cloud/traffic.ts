import {
  type Cloud,
  type CloudState,
  createCloud,
  createHttpTransport,
} from '../../src/cloud/index.ts';
import { createSystemClock, sleep } from '../../src/core/index.ts';
import type { Random } from '../../src/hardware/sim/random.ts';
import {
  createMemoryStore,
  endpointOf,
  quietOptions,
  readAll,
  requestOf,
} from '../../test/fakes/cloud.ts';
import type { Behaviour, FakeCloudEndpoint } from '../../test/fakes/cloud-endpoint.ts';

const clock = createSystemClock();
const DEADLINE_MS = 20_000;
const PRICE = { priceIn: 1, priceOut: 4 };
const TIMEOUTS = { firstTokenTimeoutMs: 2000, idleTimeoutMs: 1000, totalTimeoutMs: 15_000 };
const MAX_TOKENS = 400;

/** Shares of all calls; the rest is answered. Slow bytes do answer, in the end. */
const FAULTS: [share: number, fatal: boolean, behaviour: (random: Random) => Behaviour][] = [
  [0.05, true, (random) => ({ kind: 'status', status: random.uniform() < 0.5 ? 500 : 503 })],
  [0.025, true, () => ({ kind: 'stall' })],
  [0.025, true, () => ({ kind: 'stall', after: 3 })],
  [0.02, true, () => ({ kind: 'reset' })],
  [0.02, true, () => ({ kind: 'reset', after: 3 })],
  [0.03, true, (random) => ({ kind: 'malformed', after: random.uniform() < 0.5 ? 0 : 3 })],
  [0.03, false, () => ({ kind: 'slow_bytes', byteMs: 1 })],
];
const FATAL_SHARE = FAULTS.reduce((sum, [share, fatal]) => sum + (fatal ? share : 0), 0);

function spoiled(random: Random): Behaviour {
  let left = random.uniform();
  for (const [share, , behaviour] of FAULTS) {
    if (left < share) return behaviour(random);
    left -= share;
  }
  return { kind: 'ok' };
}

function connect(
  servers: readonly FakeCloudEndpoint[],
  random: Random,
  limitPerDay: number,
): Cloud {
  return createCloud({
    ...quietOptions,
    random: () => random.uniform(),
    endpoints: servers.map(({ baseUrl }, at) =>
      endpointOf({ name: `e${at}`, baseUrl, maxConcurrency: 32, ...PRICE, ...TIMEOUTS }),
    ),
    budget: { limitPerDay, currency: 'USD', store: createMemoryStore() },
    clock,
    transport: createHttpTransport(),
  });
}

/** What the endpoints would charge for everything since their books were emptied. */
function chargedBy(servers: readonly FakeCloudEndpoint[]): number {
  const calls = servers.flatMap((server) => server.calls);
  return calls.reduce(
    (sum, { promptTokens, completionTokens }) =>
      sum + (promptTokens * PRICE.priceIn + completionTokens * PRICE.priceOut) / 1e6,
    0,
  );
}

type Traffic = { servers: readonly FakeCloudEndpoint[]; random: Random; ask: () => string };

/** One prompt; null when it was answered, else its error code. */
async function one(cloud: Cloud, content: string): Promise<string | null> {
  const request = requestOf(clock, {
    messages: [{ role: 'user', content }],
    maxTokens: MAX_TOKENS,
    deadlineMs: clock.monotonicMs() + DEADLINE_MS,
  });
  const parts = await readAll(cloud.generate(request, new AbortController().signal));
  const last = parts.at(-1);
  return last?.type === 'error' ? `${last.error.code}: ${last.error.message} ${last.calls}` : null;
}

/** `prompts` of them, `width` at a time. */
async function atATime(width: number, prompts: number, run: () => Promise<void>): Promise<void> {
  let left = prompts;
  const worker = async () => {
    while (left-- > 0) await run();
  };
  await Promise.all(Array.from({ length: width }, worker));
}

export async function faultTraffic({
  servers,
  random,
  ask,
  prompts,
}: Traffic & { prompts: number }) {
  for (const server of servers) {
    server.calls.length = 0;
    server.behave(() => spoiled(random));
  }
  const cloud = connect(servers, random, 1000);
  const errors: Record<string, number> = {};
  const times: number[] = [];
  await atATime(12, prompts, async () => {
    const startMs = clock.monotonicMs();
    const error = await one(cloud, ask());
    if (error === null) times.push(clock.monotonicMs() - startMs);
    else errors[error] = (errors[error] ?? 0) + 1;
  });
  const state: CloudState = cloud.state();
  await cloud.close();
  times.sort((a, b) => a - b);
  return {
    answered: times.length,
    errors,
    calls: state.totals.calls,
    totals: state.totals,
    fatalShare: FATAL_SHARE,
    counted: state.budget.spent,
    charged: chargedBy(servers),
    p50Ms: times[Math.floor(times.length * 0.5)] ?? NaN,
    p99Ms: times[Math.floor(times.length * 0.99)] ?? NaN,
    longestMs: times.at(-1) ?? NaN,
  };
}

/** A budget that some of the prompts find spent, and faults all the while. */
export async function tightBudgetTraffic(traffic: Traffic & { prompts: number }) {
  const { servers, random, ask, prompts } = traffic;
  for (const server of servers) {
    server.calls.length = 0;
    server.behave(() => spoiled(random));
  }
  const limit = 0.05;
  const cloud = connect(servers, random, limit);
  let refused = 0;
  await atATime(32, prompts, async () => {
    if ((await one(cloud, ask()))?.startsWith('cloud_budget_exhausted')) refused += 1;
  });
  await cloud.close();
  return { limit, refused, charged: chargedBy(servers) };
}

/** Steady traffic while the first endpoint resets every connection for some seconds. */
export async function outageTraffic({ servers, random, ask }: Traffic) {
  const [first] = servers;
  if (first === undefined) throw new Error('no endpoint');
  for (const server of servers) server.behave(() => ({ kind: 'ok' }));
  const cloud = connect(servers, random, 0);
  const isOpen = () => cloud.state().endpoints[0]?.breaker !== 'closed';
  const downMs = 6000;
  let prompts = 0;
  let answered = 0;
  const over = new AbortController();
  const worker = async () => {
    while (!over.signal.aborted) {
      prompts += 1;
      if ((await one(cloud, ask())) === null) answered += 1;
    }
  };
  const workers = Array.from({ length: 6 }, worker);
  await sleep(clock, 3000);

  const before = first.calls.length;
  first.behave(() => ({ kind: 'reset' }));
  await sleep(clock, downMs);
  const wasted = first.calls.length - before;
  if (!isOpen()) throw new Error('the outage went unnoticed');

  const calls = first.calls.length;
  const upMs = clock.monotonicMs();
  first.behave(() => ({ kind: 'ok' }));
  let probes = 0;
  while (isOpen()) {
    await sleep(clock, 5);
    // Read before the next look at the breaker: calls after it closed are no probes.
    if (isOpen()) probes = Math.max(probes, first.calls.length - calls);
    if (clock.monotonicMs() - upMs > 60_000) throw new Error('it never came back');
  }
  const backAfterMs = clock.monotonicMs() - upMs;
  over.abort();
  await Promise.all(workers);
  await cloud.close();
  return { downMs, prompts, answered, wasted, probes, backAfterMs };
}
