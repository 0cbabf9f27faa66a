import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Breaker } from '../../../src/cloud/breaker.ts';
import { cleanMessage } from '../../../src/cloud/clean.ts';
import { EndpointRuntime } from '../../../src/cloud/endpoint.ts';
import { retryAfterMs } from '../../../src/cloud/failure.ts';
import { createCloud, endpointsFromConfig } from '../../../src/cloud/index.ts';
import { Latency } from '../../../src/cloud/latency.ts';
import { fullJitterMs, RetryBudget } from '../../../src/cloud/retry-budget.ts';
import { rank } from '../../../src/cloud/selection.ts';
import { guessPromptTokens, mostPromptTokens, TokenGauge } from '../../../src/cloud/tokens.ts';
import { loadConfig } from '../../../src/config/index.ts';
import { silentLogger } from '../../../src/core/index.ts';
import { createRandom } from '../../../src/hardware/sim/random.ts';
import { createMemoryStore, endpointOf, quietOptions, requestOf } from '../../fakes/cloud.ts';
import { createScriptedTransport } from '../../fakes/cloud-transport.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

const clock = createVirtualClock();

describe('Breaker', () => {
  const fail = (breaker: Breaker, times: number) => {
    for (let n = 0; n < times; n++) breaker.enter()('failure');
  };

  it('opens after five failures in a row, and not before', () => {
    const breaker = new Breaker(clock, () => 0.5);
    fail(breaker, 4);
    breaker.enter()('success');
    fail(breaker, 4);
    expect(breaker.state).toBe('closed');
    fail(breaker, 1);
    expect(breaker.state).toBe('open');
    expect(breaker.waitMs()).toBeCloseTo(1000);
  });

  it('lets one probe through, doubles after its failure, closes after its success', async () => {
    const breaker = new Breaker(clock, () => 0.5);
    fail(breaker, 5);
    for (const openMs of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      expect(breaker.waitMs()).toBeCloseTo(openMs);
      await clock.advance(openMs);
      expect(breaker.state).toBe('half_open');
      const probe = breaker.enter();
      expect(breaker.waitMs()).toBe(Infinity);
      probe('failure');
    }
    await clock.advance(30_000);
    breaker.enter()('success');
    expect(breaker.state).toBe('closed');
    fail(breaker, 5);
    expect(breaker.waitMs()).toBeCloseTo(1000);
  });

  it('gives the probe to the next one when it ends without a verdict', async () => {
    const breaker = new Breaker(clock, () => 0.5);
    fail(breaker, 5);
    await clock.advance(1000);
    breaker.enter()('none');
    expect(breaker.waitMs()).toBe(0);
  });

  it('is not opened for longer by calls that began before', () => {
    const breaker = new Breaker(clock, () => 0.5);
    const late = Array.from({ length: 20 }, () => breaker.enter());
    for (const verdict of late) verdict('failure');
    expect(breaker.waitMs()).toBeCloseTo(1000);
  });

  it('opens for a minute at once when the endpoint is set up wrongly', () => {
    const breaker = new Breaker(clock, () => 0.5);
    breaker.enter()('broken');
    expect(breaker.waitMs()).toBeCloseTo(60_000);
  });
});

describe('RetryBudget', () => {
  it('gives no more than the ratio over a long outage, and a few after a long rest', async () => {
    const budget = new RetryBudget(0.25, clock);
    let taken = 0;
    for (let n = 0; n < 1000; n++) {
      budget.onPrompt();
      for (let retry = 0; retry < 5; retry++) if (budget.take()) taken += 1;
    }
    expect(taken).toBeGreaterThanOrEqual(250);
    expect(taken).toBeLessThanOrEqual(260);
    await clock.advance(50_000);
    for (let n = 0; n < 10; n++) expect(budget.take()).toBe(true);
    expect(budget.take()).toBe(false);
  });

  it('keeps some retries from hedges', () => {
    const budget = new RetryBudget(0.5, clock);
    let hedges = 0;
    while (budget.takeForHedge()) hedges += 1;
    expect(hedges).toBe(5);
    for (let n = 0; n < 5; n++) expect(budget.take()).toBe(true);
    expect(budget.take()).toBe(false);
  });

  it('gives nothing when it is switched off', () => {
    const budget = new RetryBudget(0, clock);
    expect(budget.take()).toBe(false);
  });

  it('draws waits over the whole width of a bound that doubles', () => {
    expect([1, 2, 3, 4, 50].map((n) => fullJitterMs(n, () => 0.5))).toEqual([
      100, 200, 400, 800, 5000,
    ]);
    expect(fullJitterMs(3, () => 0)).toBe(0);
  });
});

describe('Latency', () => {
  it('knows nothing before 20 samples, and forgets all but the last 200', () => {
    const latency = new Latency();
    for (let n = 1; n <= 19; n++) latency.add(n);
    expect(latency.quantile(0.95)).toBeNull();
    latency.add(20);
    expect(latency.quantile(0.95)).toBe(20);
    for (let n = 0; n < 200; n++) latency.add(7);
    expect(latency.quantile(1)).toBe(7);
  });
});

describe('Retry-After', () => {
  const now = createVirtualClock({ wallMs: Date.UTC(2026, 5, 1, 12) });
  const lost = createVirtualClock({ wallMs: 0, wallTrusted: false });
  const inAMinute = 'Mon, 01 Jun 2026 12:01:00 GMT';

  it.each([
    ['seconds', { 'retry-after': '7' }, 7000],
    ['a fraction', { 'retry-after': '0.5' }, 500],
    ['nonsense', { 'retry-after': 'soon' }, undefined],
    ['absence', {}, undefined],
    ['years', { 'retry-after': '99999999' }, 3_600_000],
    ['a date', { 'retry-after': inAMinute }, 60_000],
    ['a date in the past', { 'retry-after': 'Mon, 01 Jun 2020 12:01:00 GMT' }, 0],
  ])('reads %s', (_name, headers, expected) => {
    expect(retryAfterMs(headers, now)).toBe(expected);
  });

  it("goes by the server's own clock, and by the board's only when that is set", () => {
    const headers = { 'retry-after': inAMinute, date: 'Mon, 01 Jun 2026 12:00:30 GMT' };
    expect(retryAfterMs(headers, lost)).toBe(30_000);
    expect(retryAfterMs(headers, now)).toBe(30_000);
    expect(retryAfterMs({ 'retry-after': inAMinute }, lost)).toBeUndefined();
  });
});

describe('cleanMessage', () => {
  const request = requestOf(clock, {
    messages: [{ role: 'user', content: 'my secret plan is X' }],
  });

  it('keeps a plain message, on one line and bounded', () => {
    expect(cleanMessage('temperature\n must be\u0000 below 2', request, null)).toBe(
      'temperature must be below 2',
    );
    expect(cleanMessage('no. '.repeat(1000), request, null).length).toBeLessThanOrEqual(200);
  });

  it('never shows a run of the prompt, however it is wrapped', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme-ascii', minLength: 8, maxLength: 60 }),
        fc.string({ maxLength: 30 }),
        fc.nat(40),
        (content, around, from) => {
          const asked = requestOf(clock, { messages: [{ role: 'user', content }] });
          const quoted = content.trim().slice(from);
          const shown = cleanMessage(`${around} ${quoted} ${around}`, asked, null);
          const squeezed = quoted.replace(/\s+/g, ' ').trim();
          if (squeezed.length >= 8) expect(shown).not.toContain(squeezed);
        },
      ),
    );
  });
});

describe('rank', () => {
  const make = (name: string, fields: object = {}) =>
    new EndpointRuntime(
      endpointOf({ name, ...fields }),
      { clock, logger: silentLogger, random: () => 0.5 },
      () => {},
    );
  const [a1, b1, c2, d3] = [
    make('a1'),
    make('b1', { weight: 3 }),
    make('c2', { tier: 2, model: 'big' }),
    make('d3', { tier: 3, model: 'big' }),
  ];
  const all = [a1, b1, c2, d3];
  const names = (...args: Parameters<typeof rank>) => rank(...args).map(({ spec }) => spec.name);
  const auto = { tier: null, model: null };

  it('follows the tiers the way that is configured', () => {
    const half = () => 0.5;
    expect(names(all, auto, 'any', new Map(), half)).toEqual(['b1', 'a1', 'c2', 'd3']);
    expect(names(all, { tier: 2, model: null }, 'any', new Map(), half)).toEqual([
      'c2',
      'd3',
      'b1',
      'a1',
    ]);
    expect(names(all, { tier: 2, model: null }, 'down', new Map(), half)).toEqual([
      'c2',
      'b1',
      'a1',
    ]);
    expect(names(all, { tier: 2, model: null }, 'up', new Map(), half)).toEqual(['c2', 'd3']);
    expect(names(all, { tier: 2, model: null }, 'none', new Map(), half)).toEqual(['c2']);
  });

  it('keeps to a named model or endpoint', () => {
    const half = () => 0.5;
    expect(names(all, { tier: null, model: 'big' }, 'any', new Map(), half)).toEqual(['c2', 'd3']);
    expect(names(all, { tier: null, model: 'a1' }, 'any', new Map(), half)).toEqual(['a1']);
    expect(names(all, { tier: null, model: 'none' }, 'any', new Map(), half)).toEqual([]);
  });

  it('tries the rest of the tier before a failed one, and that once more before the next tier', () => {
    const half = () => 0.5;
    expect(names(all, auto, 'any', new Map([[b1, 1]]), half)[0]).toBe('a1');
    const once = new Map([
      [a1, 1],
      [b1, 1],
    ]);
    expect(names(all, auto, 'any', once, half).slice(0, 3)).toEqual(['b1', 'a1', 'c2']);
    const twice = new Map([
      [a1, 2],
      [b1, 2],
    ]);
    expect(names(all, auto, 'any', twice, half)[0]).toBe('c2');
  });

  it('balances by weight, and asks weight 0 last', () => {
    const spare = make('spare', { weight: 0 });
    const noise = createRandom(7);
    const firsts = Array.from(
      { length: 4000 },
      () => names([a1, b1, spare], auto, 'any', new Map(), () => noise.uniform())[0],
    );
    const share = firsts.filter((name) => name === 'b1').length / firsts.length;
    expect(firsts).not.toContain('spare');
    expect(share).toBeGreaterThan(0.65);
    expect(share).toBeLessThan(0.85);
  });
});

describe('tokens', () => {
  it('never guesses more than the bound that is reserved', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (content) => {
        const request = requestOf(clock, { messages: [{ role: 'user', content }] });
        expect(guessPromptTokens(request)).toBeLessThanOrEqual(mostPromptTokens(request));
      }),
    );
  });

  it('learns how an endpoint counts', () => {
    const gauge = new TokenGauge();
    expect(gauge.correct(100)).toBe(100);
    for (let n = 0; n < 50; n++) gauge.learn(100 + n, (100 + n) * 1.7);
    expect(gauge.correct(100)).toBeCloseTo(170);
    gauge.learn(100, 0);
    expect(gauge.correct(100)).toBeCloseTo(170);
  });
});

describe('endpoints from the configuration', () => {
  const load = (set: string[]) =>
    loadConfig({ env: {}, set, overlayPath: null, homeFolder: tmpdir(), searchFiles: [] }).values
      .cloud;

  it('fills in defaults and reads keys from their files', () => {
    const folder = mkdtempSync(join(tmpdir(), 'twowatt-cloud-'));
    try {
      const key = join(folder, 'key');
      writeFileSync(key, 'k-123\n', { mode: 0o600 });
      const endpoints = (api_key_file: string) =>
        endpointsFromConfig(
          load([
            `cloud.endpoints=${JSON.stringify([{ name: 'q', base_url: 'https://h.example/v2/', model: 'm', api_key_file }])}`,
            'cloud.currency=CNY',
          ]),
          {},
        );
      expect(endpoints(key)).toEqual([
        {
          ...endpointOf({ name: 'q' }),
          baseUrl: 'https://h.example/v2',
          apiKey: 'k-123',
          priceIn: 0,
          priceOut: 0,
          currency: 'CNY',
          connectTimeoutMs: 5000,
          firstTokenTimeoutMs: 20_000,
          idleTimeoutMs: 15_000,
          totalTimeoutMs: 300_000,
        },
      ]);
      chmodSync(key, 0o644);
      expect(() => endpoints(key)).toThrow(/cloud\.endpoints\.q\.api_key_file.*chmod/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses a budget that would have to count another currency, and nothing else', () => {
    const mixed = (price_in: number, budget: number) => [
      `cloud.endpoints=${JSON.stringify([{ name: 'q', base_url: 'https://h.example', model: 'm', price_in, currency: 'CNY' }])}`,
      `cloud.budget_per_day=${budget}`,
    ];
    expect(() => load(mixed(1, 5))).toThrow(/q has prices in CNY.*in USD/);
    for (const set of [mixed(1, 0), mixed(0, 5)]) expect(load(set).endpoints).toHaveLength(1);
    const create = () =>
      createCloud({
        ...quietOptions,
        endpoints: [endpointOf({ name: 'q', currency: 'CNY' })],
        budget: { limitPerDay: 5, currency: 'USD', store: createMemoryStore() },
        clock,
        transport: createScriptedTransport(clock, () => ({})),
      });
    expect(create).toThrow(/q has prices in CNY/);
  });
});
