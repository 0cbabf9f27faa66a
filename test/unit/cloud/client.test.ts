import { describe, expect, it } from 'vitest';
import {
  type CloudEndpoint,
  type CloudOptions,
  type CloudPart,
  type CloudRequest,
  createCloud,
} from '../../../src/cloud/index.ts';
import {
  createMemoryStore,
  endpointOf,
  errorOf,
  quietOptions,
  readAll,
  requestOf,
  resultOf,
} from '../../fakes/cloud.ts';
import {
  answering,
  createScriptedTransport,
  END,
  type Script,
  type ScriptedCall,
  textChunk,
} from '../../fakes/cloud-transport.ts';
import { createVirtualClock, type VirtualClock } from '../../fakes/virtual-clock.ts';

type Setup = {
  endpoints?: (Partial<CloudEndpoint> & { name: string })[];
  options?: Partial<CloudOptions>;
  budget?: Partial<CloudOptions['budget']>;
};

/** Lets time pass in steps until `promise` is settled. */
async function advanceUntil(clock: VirtualClock, promise: Promise<unknown>, stepMs: number) {
  const open = new Set([promise]);
  void promise.finally(() => open.clear());
  for (let step = 0; open.size > 0; step++) {
    if (step > 400_000) throw new Error('no end');
    await clock.advance(stepMs);
  }
}

function start(
  play: (endpoint: string, number: number, call: ScriptedCall) => Script,
  setup: Setup = {},
) {
  const clock = createVirtualClock();
  const transport = createScriptedTransport(clock, (call, number) =>
    play(new URL(call.url).hostname.split('.')[0] ?? '', number, call),
  );
  const cloud = createCloud({
    ...quietOptions,
    endpoints: (setup.endpoints ?? [{ name: 'a' }]).map(endpointOf),
    budget: { limitPerDay: 0, currency: 'USD', store: createMemoryStore(), ...setup.budget },
    clock,
    transport,
    ...setup.options,
  });
  const ask = (fields: Partial<CloudRequest> = {}, signal = new AbortController().signal) =>
    readAll(cloud.generate(requestOf(clock, fields), signal));
  /** Asks, and lets time pass until there is an answer; also how long that took. */
  const answer = async (fields: Partial<CloudRequest> = {}) => {
    const startMs = clock.monotonicMs();
    const asked = ask(fields);
    await advanceUntil(clock, asked, 1);
    return { parts: await asked, tookMs: clock.monotonicMs() - startMs };
  };
  const askedOf = () => transport.calls.map(({ url }) => new URL(url).hostname.split('.')[0]);
  return { clock, transport, cloud, ask, answer, askedOf };
}

const A_B = [{ name: 'a' }, { name: 'b' }];
const refused: Script = { refuse: true };
const status = (code: number, headers: Record<string, string> = {}): Script => ({
  status: code,
  headers,
  body: [[0, '{}']],
});
/** Always the first of equals; no wait before a retry. */
const first = { random: () => 0 };
const first20 = (number: number) => number < 20;

describe('waits', () => {
  it.each<[string, Script, number]>([
    ['no response', { headersMs: null }, 5000],
    ['a response without a token', { end: 'hang' }, 5000],
    [
      'comments only, which are no tokens',
      { body: Array.from({ length: 60 }, () => [100, ': keep-alive\n\n'] as [number, string]) },
      5000,
    ],
  ])('gives up %s after first_token_timeout_s', async (_name, script, expectedMs) => {
    const { answer, cloud } = start(() => script, { options: { retryRatio: 0 } });
    const { parts, tookMs } = await answer();
    expect(errorOf(parts).error.code).toBe('cloud_unavailable');
    expect(tookMs).toBeGreaterThanOrEqual(expectedMs);
    expect(tookMs).toBeLessThan(expectedMs + 5);
    expect(cloud.state().endpoints[0]?.problem).toBe('no first token');
  });

  it('counts a thought as a sign of life, but not as output', async () => {
    const thought = `data: {"choices":[{"delta":{"reasoning_content":"hm"}}]}\n\n`;
    const body: [number, string][] = [
      [4000, thought],
      [2500, thought],
      [2500, textChunk('yes')],
      [1, END],
    ];
    const { answer } = start(() => ({ body }));
    const { parts } = await answer();
    expect(parts.filter(({ type }) => type === 'delta')).toEqual([{ type: 'delta', text: 'yes' }]);
    expect(resultOf(parts)).toMatchObject({ text: 'yes', calls: 1 });
    expect(resultOf(parts).timing.firstTokenMs).toBeCloseTo(9000);
  });

  it('gives up a stream that falls silent after idle_timeout_s, one that never ends after total_timeout_s', async () => {
    const silent = start(() => ({ body: [[0, textChunk('x')]], end: 'hang' }));
    const one = await silent.answer({ mayRestart: false });
    expect(one.tookMs).toBeGreaterThanOrEqual(3000);
    expect(one.tookMs).toBeLessThan(3005);
    const body = Array.from({ length: 100 }, () => [1000, textChunk('x')] as [number, string]);
    const endless = start(() => ({ body }));
    const two = await endless.answer({ mayRestart: false, deadlineMs: 1e9 });
    expect(two.tookMs).toBeGreaterThanOrEqual(60_000);
    expect(two.tookMs).toBeLessThan(60_005);
    expect(endless.cloud.state().endpoints[0]?.problem).toBe('total timeout');
  });

  it('does not mistake a slow reader for a silent endpoint', async () => {
    const { clock, cloud } = start(() => ({
      body: [
        [0, textChunk('a')],
        [0, textChunk('b')],
        [0, END],
      ],
    }));
    const parts: CloudPart[] = [];
    const read = async () => {
      for await (const part of cloud.generate(requestOf(clock), new AbortController().signal)) {
        parts.push(part);
        await new Promise<void>((resolve) => clock.setTimer(10_000, resolve));
      }
    };
    await advanceUntil(clock, read(), 1000);
    expect(resultOf(parts)).toMatchObject({ text: 'ab', calls: 1 });
  });

  it('ends with expired at the deadline, in whatever state, and leaves nothing running', async () => {
    for (const script of [
      { headersMs: null },
      { end: 'hang' },
      { body: [[0, textChunk('x')]], end: 'hang' },
    ] as Script[]) {
      const { answer, clock, transport, cloud } = start(() => script);
      const { parts, tookMs } = await answer({ deadlineMs: clock.monotonicMs() + 2000 });
      expect(errorOf(parts).error.code).toBe('expired');
      expect(tookMs).toBeLessThan(2005);
      expect(transport.open()).toBe(0);
      expect(cloud.state()).toMatchObject({
        budget: { reserved: 0 },
        endpoints: [{ inFlight: 0 }],
      });
      await clock.advance(3000);
      expect(clock.pendingTimers()).toBe(0);
    }
  });

  it('sends nothing for a prompt whose deadline has passed', async () => {
    const { ask, transport } = start(() => answering('x'));
    expect(errorOf(await ask({ deadlineMs: 0 })).error.code).toBe('expired');
    expect(transport.calls).toEqual([]);
  });
});

describe('retries', () => {
  it.each([408, 409, 425, 429, 500, 502, 503, 504, 529])('tries again after %i', async (code) => {
    const { answer } = start((_, number) => (number === 0 ? status(code) : answering('x')));
    expect(resultOf((await answer()).parts)).toMatchObject({ text: 'x', calls: 2 });
  });

  it('waits for as long as Retry-After says, and asks another endpoint meanwhile', async () => {
    const alone = start((_, number) =>
      number === 0 ? status(429, { 'retry-after': '7' }) : answering('x'),
    );
    await alone.answer();
    const [one, two] = alone.transport.calls;
    expect((two?.atMs ?? 0) - (one?.atMs ?? 0)).toBeGreaterThanOrEqual(7000);

    const pair = start(
      (name) => (name === 'a' ? status(503, { 'retry-after': '7' }) : answering('x')),
      { endpoints: A_B, options: first },
    );
    for (let n = 0; n < 3; n++) expect((await pair.answer()).tookMs).toBeLessThan(1000);
    expect(pair.askedOf()).toEqual(['a', 'b', 'b', 'b']);
  });

  it('says when to come back if that is too long to wait', async () => {
    const { answer } = start(() => status(429, { 'retry-after': '600' }));
    const { parts, tookMs } = await answer();
    const { error } = errorOf(parts);
    expect(error.code).toBe('cloud_unavailable');
    expect(error.retry_after_ms).toBeGreaterThan(599_000);
    expect(tookMs).toBeLessThan(1000);
  });

  it('multiplies the traffic of an outage by one and a half at most', async () => {
    // Retry-After keeps the breaker out of it: an endpoint that says no is alive.
    const { answer, transport } = start(() => status(429, { 'retry-after': '0' }));
    for (let n = 0; n < 100; n++) errorOf((await answer()).parts);
    expect(transport.calls.length).toBeLessThanOrEqual(165);
  });

  it('stops after five failures', async () => {
    const { answer, transport } = start((_, number) =>
      number < 50 ? status(429) : answering('x'),
    );
    expect(errorOf((await answer()).parts).calls).toBe(5);
    expect(transport.calls).toHaveLength(5);
  });
});

describe('an outage', () => {
  it('is found out, sends everybody elsewhere, and is over within one probe', async () => {
    let down = false;
    const { answer, askedOf, clock, cloud, transport } = start(
      (name) => (down && name === 'a' ? refused : answering(name)),
      { endpoints: A_B, options: first },
    );
    expect(resultOf((await answer()).parts).endpoint).toBe('a');
    down = true;
    for (let n = 0; n < 10; n++) expect(resultOf((await answer()).parts).endpoint).toBe('b');
    expect(cloud.state().endpoints[0]).toMatchObject({
      breaker: 'open',
      problem: 'connection refused',
    });
    expect(askedOf().filter((name) => name === 'a').length).toBeLessThanOrEqual(8);

    down = false;
    await clock.advance(40_000);
    const before = transport.calls.length;
    expect(resultOf((await answer()).parts).endpoint).toBe('a');
    expect(transport.calls.length).toBe(before + 1);
    expect(cloud.state().endpoints[0]).toMatchObject({
      breaker: 'closed',
      unreachableForMs: null,
      problem: null,
    });
  });

  it('lets only one prompt try while it is unclear, and the others wait for what it finds', async () => {
    let down = true;
    const { answer, ask, clock, transport } = start(() => (down ? refused : answering('x', 500)));
    for (let n = 0; n < 5; n++) await answer();
    await clock.advance(60_000);
    down = false;
    const before = transport.calls.length;
    const all = Array.from({ length: 4 }, () => ask());
    await clock.advance(10);
    expect(transport.calls.length).toBe(before + 1);
    await clock.advance(2000);
    const ends = (await Promise.all(all)).map((parts) => parts.at(-1)?.type);
    expect(ends).toEqual(['done', 'done', 'done', 'done']);
  });

  it('costs nobody the answer when a breaker opens by chance, and nobody the time when it is no chance', async () => {
    let down = true;
    const { answer, cloud } = start(() => (down ? refused : answering('x')), { options: first });
    errorOf((await answer()).parts);
    expect(cloud.state().endpoints[0]?.breaker).toBe('open');
    down = false;
    const { parts, tookMs } = await answer();
    expect(resultOf(parts).text).toBe('x');
    expect(tookMs).toBeLessThan(2000);

    down = true;
    for (let n = 0; n < 8; n++) await answer();
    expect((await answer()).tookMs).toBeLessThan(5);
  });

  it('makes a patient prompt wait for the end of it', async () => {
    let down = true;
    const { answer, clock, cloud } = start(() => (down ? refused : answering('x')));
    clock.setTimer(40_000, () => (down = false));
    const { parts, tookMs } = await answer({
      patient: true,
      deadlineMs: clock.monotonicMs() + 300_000,
    });
    expect(resultOf(parts).text).toBe('x');
    expect(tookMs).toBeGreaterThan(40_000);
    // The longest time between two probes, and its jitter.
    expect(tookMs).toBeLessThan(40_000 + 30_000 * 1.25 + 1000);
    expect(cloud.state().reachable).toBe(true);
  });

  it('ends a patient prompt with cloud_unavailable at its deadline', async () => {
    const { answer, clock, transport, cloud } = start(() => refused);
    const { parts, tookMs } = await answer({
      patient: true,
      deadlineMs: clock.monotonicMs() + 120_000,
    });
    expect(errorOf(parts).error.code).toBe('cloud_unavailable');
    expect(tookMs).toBeGreaterThanOrEqual(119_999);
    expect(transport.calls.length).toBeLessThan(20);
    const state = cloud.state();
    expect(state.reachable).toBe(false);
    expect(state.unreachableForMs).toBeGreaterThan(100_000);
  });

  it('is found out although hedges hide it', async () => {
    let down = false;
    const { answer, cloud } = start(
      (name) => (down && name === 'a' ? { headersMs: null } : answering('x', 100)),
      { endpoints: A_B, options: first },
    );
    for (let n = 0; n < 120; n++) await answer();
    down = true;
    for (let n = 0; n < 6; n++) expect((await answer()).tookMs).toBeLessThan(400);
    expect(cloud.state().endpoints[0]).toMatchObject({
      breaker: 'open',
      problem: 'no first token',
    });
  });
});

describe('hedging', () => {
  const slowOnce = (name: string, number: number) =>
    name === 'a' && !first20(number) ? answering('slow', 2000) : answering('fast', 100);

  it('asks a second endpoint after the 95th percentile, and ends the slower call', async () => {
    const { answer, transport, cloud, clock } = start(slowOnce, { endpoints: A_B, options: first });
    for (let n = 0; n < 20; n++) await answer();
    const { parts, tookMs } = await answer();
    const result = resultOf(parts);
    expect(result).toMatchObject({ text: 'fast', endpoint: 'b', calls: 2 });
    expect(tookMs).toBeLessThan(250);
    expect(cloud.state().totals).toMatchObject({ hedges: 1, retries: 0, restarts: 0 });
    expect(parts.some(({ type }) => type === 'restart')).toBe(false);
    await clock.advance(10);
    expect(transport.open()).toBe(0);
    // The loser was accepted and its prompt read: it is not for nothing.
    expect(result.cost.amount).toBeGreaterThan((10 * 1 + 5 * 2) / 1e6);
  });

  it.each<[string, Setup, Partial<CloudRequest>]>([
    ['it is switched off', { options: { ...first, hedging: false } }, {}],
    ['no retry is left', { options: { ...first, retryRatio: 0 } }, {}],
    ['there is no other endpoint', { endpoints: [{ name: 'a' }], options: first }, {}],
    [
      'the other endpoint is of another tier',
      { endpoints: [{ name: 'a' }, { name: 'b', tier: 2 }], options: first },
      {},
    ],
    [
      // 20 answers of 20 millionths each are spent; one more call fits, two do not.
      'the budget has money for one call only',
      { options: first, budget: { limitPerDay: 0.0008 } },
      {},
    ],
    [
      'the other endpoint is full',
      { endpoints: [{ name: 'a' }, { name: 'b', maxConcurrency: 0 }], options: first },
      {},
    ],
  ])('does not when %s', async (_name, setup, fields) => {
    const { answer, cloud } = start(slowOnce, { endpoints: A_B, ...setup });
    for (let n = 0; n < 20; n++) resultOf((await answer(fields)).parts);
    expect(resultOf((await answer(fields)).parts)).toMatchObject({ text: 'slow', calls: 1 });
    expect(cloud.state().totals.hedges).toBe(0);
  });

  it('takes the other answer when one of the two fails', async () => {
    const { answer } = start(
      (name, number) => {
        if (first20(number)) return answering('x', 100);
        return name === 'a' ? { headersMs: 400, status: 500 } : answering('b', 1000);
      },
      { endpoints: A_B, options: first },
    );
    for (let n = 0; n < 20; n++) await answer();
    expect(resultOf((await answer()).parts)).toMatchObject({ text: 'b', calls: 2 });
  });
});

describe('privacy', () => {
  it('is looked at again before a hedge: a mark withdrawn meanwhile stops it', async () => {
    let withdraw = () => {};
    const { answer, clock, cloud, transport } = start(
      (name, number) => {
        if (!first20(number)) withdraw();
        return name === 'a' && !first20(number) ? answering('slow', 2000) : answering('x', 100);
      },
      { endpoints: A_B, options: first },
    );
    for (let n = 0; n < 20; n++) await answer();
    const request = requestOf(clock);
    withdraw = () => (request.mayLeave = false);
    const asked = readAll(cloud.generate(request, new AbortController().signal));
    await advanceUntil(clock, asked, 10);
    expect(errorOf(await asked).error.code).toBe('privacy_blocked');
    expect(cloud.state().totals.hedges).toBe(1);
    expect(transport.calls).toHaveLength(21);
  });
});

describe('places', () => {
  it('never runs more calls at an endpoint than it may, and serves the rest in turn', async () => {
    const { ask, clock, transport } = start(() => answering('x', 100), {
      endpoints: [{ name: 'a', maxConcurrency: 2 }],
    });
    const all = Array.from({ length: 7 }, () => ask());
    let most = 0;
    for (let n = 0; n < 1000; n++) {
      await clock.advance(1);
      most = Math.max(most, transport.open());
    }
    for (const parts of await Promise.all(all)) resultOf(parts);
    expect(most).toBe(2);
  });

  it('uses the next tier when its own is full', async () => {
    const { ask, clock, askedOf } = start(() => answering('x', 100), {
      endpoints: [
        { name: 'a', maxConcurrency: 1 },
        { name: 'b', tier: 2, maxConcurrency: 1 },
      ],
    });
    const all = Array.from({ length: 2 }, () => ask());
    await clock.advance(500);
    await Promise.all(all);
    expect(askedOf()).toEqual(['a', 'b']);
  });

  it('fails over from tier to tier, and stays where it is told to', async () => {
    const endpoints = [{ name: 'a' }, { name: 'b', tier: 2 }];
    const play = (name: string) => (name === 'a' ? status(500) : answering('x'));
    const any = start(play, { endpoints });
    expect(resultOf((await any.answer()).parts).endpoint).toBe('b');
    const none = start(play, { endpoints, options: { failover: 'none' } });
    expect(errorOf((await none.answer()).parts).error.code).toBe('cloud_unavailable');
    expect(none.askedOf()).not.toContain('b');
  });

  it('refuses a model that nobody serves', async () => {
    const { ask, cloud, clock } = start(() => answering('x'));
    expect(errorOf(await ask({ model: 'other' })).error).toMatchObject({
      code: 'invalid_request',
      param: 'model',
    });
    expect(cloud.estimateCost(requestOf(clock, { model: 'other' }))).toBeNull();
  });
});

describe('a malicious endpoint', () => {
  const flood = (text: string, pieces: number): Script => ({
    body: Array.from({ length: pieces }, () => [1, textChunk(text)] as [number, string]),
    end: 'hang',
  });

  it('is given up when it sends more than max_tokens can be', async () => {
    const { answer, askedOf } = start(
      (name) => (name === 'a' ? flood('x'.repeat(1000), 1000) : answering('fine')),
      { endpoints: A_B, options: first },
    );
    const { parts } = await answer({ maxTokens: 10 });
    expect(resultOf(parts)).toMatchObject({ endpoint: 'b', text: 'fine' });
    expect(askedOf()).toEqual(['a', 'b']);
    const length = parts.reduce(
      (sum, part) => sum + (part.type === 'delta' ? part.text.length : 0),
      0,
    );
    expect(length).toBeLessThan(10_000);
  });

  it('cannot make itself surer than sure, nor fill the board with log-probabilities', async () => {
    const tokens = Array.from({ length: 5000 }, () => ({
      token: 'x',
      logprob: 7,
      top_logprobs: Array.from({ length: 100 }, () => ({ token: 'y', logprob: -1e300 })),
    }));
    const event = `data: ${JSON.stringify({ choices: [{ delta: { content: 'x' }, logprobs: { content: tokens } }] })}\n\n`;
    const { answer } = start(() => ({
      body: [
        [1, event],
        [1, END],
      ],
    }));
    const result = resultOf((await answer({ maxTokens: 10, topLogprobs: 1 })).parts);
    expect(result.confidence).toBe(1);
    expect(result.logprobs?.length).toBeLessThanOrEqual(18);
    expect(result.logprobs?.[0]?.top_logprobs).toHaveLength(20);
    expect(result.logprobs?.[0]?.top_logprobs[0]?.logprob).toBe(-9999);
  });
});

describe('money', () => {
  const upper = (12 + 16 + 64) * 1e-6 + 100 * 2e-6;

  it('reserves the most that a call can cost and settles what it did cost', async () => {
    const { ask, clock, cloud } = start(() => answering('x'), { budget: { limitPerDay: 1 } });
    const estimate = cloud.estimateCost(requestOf(clock));
    expect(estimate).toMatchObject({ endpoint: 'a', currency: 'USD' });
    expect(estimate?.upper).toBeCloseTo(upper, 9);
    expect(estimate?.expected).toBeLessThan(upper);
    const asked = ask();
    await clock.advance(1);
    expect(cloud.state().budget.reserved).toBeCloseTo(upper, 9);
    await clock.advance(500);
    expect(resultOf(await asked).cost.amount).toBeCloseTo(20e-6, 12);
    expect(cloud.state()).toMatchObject({ budget: { reserved: 0, exhausted: false } });
    expect(cloud.state().budget.spent).toBeCloseTo(20e-6, 12);
    expect(cloud.state().costs[0]?.amount).toBeCloseTo(20e-6, 12);
  });

  it('refuses what the budget does not cover, at no cost and with no call', async () => {
    const { ask, transport, cloud } = start(() => answering('x'), {
      budget: { limitPerDay: upper / 2 },
    });
    const { error } = errorOf(await ask());
    expect(error).toMatchObject({ code: 'cloud_budget_exhausted', retryable: true });
    expect(error.retry_after_ms).toBeGreaterThan(0);
    expect(transport.calls).toEqual([]);
    expect(cloud.state().budget.exhausted).toBe(true);
  });

  it('goes to an endpoint that it can still pay', async () => {
    const { answer } = start(() => answering('x'), {
      endpoints: [{ name: 'a' }, { name: 'b', tier: 2, priceIn: 0, priceOut: 0 }],
      budget: { limitPerDay: upper / 2 },
    });
    expect(resultOf((await answer()).parts).endpoint).toBe('b');
  });

  it('waits for money that other calls hold back, and never lends it twice', async () => {
    const { ask, clock, cloud, transport } = start(() => answering('x'), {
      budget: { limitPerDay: upper * 1.9 },
    });
    const both = [ask(), ask()];
    await clock.advance(50);
    expect(transport.calls).toHaveLength(1);
    await clock.advance(1000);
    for (const parts of await Promise.all(both)) resultOf(parts);
    expect(cloud.state().budget.spent).toBeCloseTo(40e-6, 12);
  });

  it('says so at once when the costs cannot be stored, and goes on when they can', async () => {
    const store = createMemoryStore();
    const { answer } = start(() => answering('x'), { budget: { limitPerDay: 1, store } });
    store.failing = true;
    const { parts, tookMs } = await answer();
    expect(errorOf(parts).error.code).toBe('cloud_unavailable');
    expect(tookMs).toBeLessThan(5);
    store.failing = false;
    resultOf((await answer()).parts);
  });

  it('survives a restart', async () => {
    const store = createMemoryStore();
    const before = start(() => answering('x'), { budget: { limitPerDay: 1, store } });
    await before.answer();
    await before.cloud.close();
    const after = start(() => answering('x'), { budget: { limitPerDay: 1, store } });
    expect(after.cloud.state().budget.spent).toBeCloseTo(20e-6, 12);
  });

  it('counts what a cut stream has cost', async () => {
    const { answer, cloud } = start((_, number) =>
      number < 5
        ? answering('a long enough answer')
        : { body: [[0, textChunk('a long enough')]], end: 'cut' },
    );
    for (let n = 0; n < 5; n++) await answer();
    const spent = cloud.state().budget.spent;
    const { parts } = await answer({ mayRestart: false });
    // 10 prompt tokens, and 13 of 20 letters of an answer that counts 5 tokens.
    expect(errorOf(parts).cost.amount).toBeCloseTo((10 + 4 * 2) / 1e6, 7);
    expect(cloud.state().budget.spent - spent).toBeCloseTo(errorOf(parts).cost.amount, 12);
  });

  it('keeps currencies apart where no budget needs them together', async () => {
    const { answer, cloud } = start(
      (name) => (name === 'a' ? { body: [[0, textChunk('x')]], end: 'cut' } : answering('y')),
      {
        endpoints: [
          { name: 'a', currency: 'CNY' },
          { name: 'b', tier: 2 },
        ],
      },
    );
    const result = resultOf((await answer()).parts);
    expect(result.cost).toEqual({ amount: (10 + 5 * 2) / 1e6, currency: 'USD' });
    const costs = new Map(cloud.state().costs.map(({ currency, amount }) => [currency, amount]));
    expect(costs.get('CNY')).toBeGreaterThan(0);
    expect(costs.get('USD')).toBeCloseTo(result.cost.amount, 12);
  });
});
