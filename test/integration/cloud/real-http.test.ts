import { afterEach, describe, expect, it } from 'vitest';
import {
  type Cloud,
  type CloudEndpoint,
  type CloudOptions,
  type CloudRequest,
  createCloud,
  createHttpTransport,
} from '../../../src/cloud/index.ts';
import { createSystemClock, type LogFields, type Logger } from '../../../src/core/index.ts';
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
  type Behaviour,
  type FakeCloudEndpoint,
  type FakeCloudOptions,
  startCloudEndpoint,
} from '../../fakes/cloud-endpoint.ts';

const clock = createSystemClock();
const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function start(options?: FakeCloudOptions): Promise<FakeCloudEndpoint> {
  const server = await startCloudEndpoint(options);
  undo.push(() => server.close());
  return server;
}

function connect(
  servers: FakeCloudEndpoint[],
  fields: Partial<CloudEndpoint> = {},
  options: Partial<CloudOptions> = {},
): Cloud {
  const cloud = createCloud({
    ...quietOptions,
    endpoints: servers.map(({ baseUrl }, at) => endpointOf({ name: `e${at}`, baseUrl, ...fields })),
    budget: { limitPerDay: 0, currency: 'USD', store: createMemoryStore() },
    clock,
    transport: createHttpTransport(),
    ...options,
  });
  undo.push(() => cloud.close());
  return cloud;
}

const ask = (cloud: Cloud, fields: Partial<CloudRequest> = {}, signal?: AbortSignal) =>
  readAll(cloud.generate(requestOf(clock, fields), signal ?? new AbortController().signal));

const ANSWER = 'You said "what is MQTT".';
const always = (behaviour: Behaviour) => () => behaviour;
const firstOnly = (behaviour: Behaviour) => (call: number) =>
  call === 0 ? behaviour : ({ kind: 'ok' } as const);

describe('an answer over real HTTP', () => {
  it('streams, counts usage and money, and says who answered', async () => {
    const server = await start();
    const parts = await ask(connect([server], { apiKey: 'k-1' }));
    const deltas = parts.filter(({ type }) => type === 'delta');
    expect(deltas.length).toBeGreaterThan(0);
    expect(resultOf(parts)).toMatchObject({
      text: ANSWER,
      finishReason: 'stop',
      endpoint: 'e0',
      model: 'm',
      usage: { promptTokens: 8, completionTokens: 8, estimated: false },
      cost: { amount: (8 * 1 + 8 * 2) / 1e6, currency: 'USD' },
      calls: 1,
      logprobs: null,
    });
    expect(server.calls[0]).toMatchObject({
      url: '/v1/chat/completions',
      headers: { authorization: 'Bearer k-1', 'twowatt-hops': '1' },
      body: { model: 'm', max_tokens: 100, stream: true, stream_options: { include_usage: true } },
    });
  });

  it('passes on what was asked for, and nothing that is off', async () => {
    const server = await start();
    await ask(
      connect([server], { extraBody: { chat_template_kwargs: { enable_thinking: false } } }),
      {
        sampling: {
          temperature: 0.5,
          topP: 0.9,
          topK: 5,
          minP: 0.1,
          repetitionPenalty: 1.1,
          seed: 7,
        },
        stop: ['\n'],
        topLogprobs: 2,
        responseFormat: { type: 'json_object' },
        idempotencyKey: 'k',
        hops: 2,
      },
    );
    await ask(connect([server]));
    const [full, plain] = server.calls;
    expect(full?.body).toMatchObject({
      temperature: 0.5,
      top_p: 0.9,
      top_k: 5,
      min_p: 0.1,
      repetition_penalty: 1.1,
      seed: 7,
      stop: ['\n'],
      logprobs: true,
      top_logprobs: 2,
      response_format: { type: 'json_object' },
      chat_template_kwargs: { enable_thinking: false },
    });
    expect(full?.headers).toMatchObject({ 'idempotency-key': 'k', 'twowatt-hops': '3' });
    expect(Object.keys(plain?.body ?? {}).sort()).toEqual(
      ['max_tokens', 'messages', 'model', 'stream', 'stream_options', 'temperature'].sort(),
    );
    expect(plain?.headers).not.toHaveProperty('authorization');
    expect(plain?.headers).not.toHaveProperty('idempotency-key');
  });

  it('sends raw prompts to the completions endpoint', async () => {
    const server = await start();
    const { messages: _, ...request } = requestOf(clock, { prompt: 'once upon' });
    const signal = new AbortController().signal;
    const parts = await readAll(connect([server]).generate(request, signal));
    expect(resultOf(parts).text).toBe('You said "once upon".');
    expect(server.calls[0]?.url).toBe('/v1/completions');
  });

  it('uses a connection again', async () => {
    const server = await start();
    const cloud = connect([server]);
    for (let n = 0; n < 5; n++) resultOf(await ask(cloud));
    // Two: the end of a body may still be on its way when the next prompt begins.
    expect(server.connections()).toBeLessThanOrEqual(2);
  });

  it('takes an answer that is no stream, lacks [DONE], or ends with recover_stop', async () => {
    const server = await start({ finishReason: 'recover_stop' });
    const cloud = connect([server]);
    for (const kind of ['json', 'no_done', 'ok'] as const) {
      server.behave(always({ kind }));
      expect(resultOf(await ask(cloud))).toMatchObject({ text: ANSWER, finishReason: 'stop' });
    }
  });

  it('estimates usage that cannot be true', async () => {
    const server = await start();
    const cloud = connect([server]);
    const good = resultOf(await ask(cloud)).usage;
    for (const usage of [
      null,
      { prompt_tokens: -1, completion_tokens: 3 },
      { prompt_tokens: 1e9, completion_tokens: 3 },
      { prompt_tokens: 8, completion_tokens: 0 },
      { prompt_tokens: 8, completion_tokens: 100_000 },
      { prompt_tokens: 8.5, completion_tokens: 8 },
    ]) {
      server.behave(always({ kind: 'usage', usage }));
      expect(resultOf(await ask(cloud)).usage, JSON.stringify(usage)).toEqual({
        ...good,
        estimated: true,
      });
    }
  });
});

describe('faults over real HTTP', () => {
  it.each<[string, Behaviour]>([
    ['500', { kind: 'status', status: 500 }],
    ['429', { kind: 'status', status: 429 }],
    ['409', { kind: 'status', status: 409 }],
    ['a reset before the headers', { kind: 'reset' }],
    ['a reset before the first token', { kind: 'reset', after: 0 }],
    ['a malformed first chunk', { kind: 'malformed', after: 0 }],
    [
      'an error in place of the first chunk',
      { kind: 'error_event', after: 0, error: { code: 503 } },
    ],
    ['an empty stream', { kind: 'cut', after: 0 }],
    ['a stall', { kind: 'stall' }],
    ['a stall after the headers', { kind: 'stall', after: 0 }],
    ['bytes too slow for any token', { kind: 'slow_bytes', byteMs: 50 }],
    [
      'a web page',
      { kind: 'raw', contentType: 'text/html', chunks: [Buffer.from('<html>log in</html>')] },
    ],
  ])('tries again after %s, and nobody notices', async (_name, behaviour) => {
    const server = await start();
    server.behave(firstOnly(behaviour));
    const parts = await ask(connect([server], { firstTokenTimeoutMs: 200 }));
    expect(parts.some(({ type }) => type === 'restart')).toBe(false);
    expect(resultOf(parts)).toMatchObject({ text: ANSWER, calls: 2 });
  });

  it.each<[string, Behaviour]>([
    ['a reset', { kind: 'reset', after: 2 }],
    ['a malformed chunk', { kind: 'malformed', after: 2 }],
    ['an error', { kind: 'error_event', after: 2, error: { message: 'overloaded' } }],
    ['an early end', { kind: 'cut', after: 2 }],
    ['a stall', { kind: 'stall', after: 2 }],
  ])('begins anew elsewhere after %s in mid-answer, and counts both', async (_name, behaviour) => {
    const [bad, good] = [await start(), await start()];
    bad.behave(always(behaviour));
    const cloud = connect([bad, good], { idleTimeoutMs: 150 }, { random: () => 0 });
    const parts = await ask(cloud);
    const at = parts.findIndex(({ type }) => type === 'restart');
    const textOf = (some: typeof parts) =>
      some.map((part) => (part.type === 'delta' ? part.text : '')).join('');
    expect(textOf(parts.slice(0, at))).toBe('You said ');
    expect(textOf(parts.slice(at))).toBe(ANSWER);
    const result = resultOf(parts);
    expect(result).toMatchObject({ text: ANSWER, endpoint: 'e1', calls: 2 });
    const whole = (8 * 1 + 8 * 2) / 1e6;
    expect(result.cost.amount).toBeGreaterThan(whole);
    expect(result.cost.amount).toBeLessThan(2 * whole);
  });

  it('ends with an error when a broken stream may not begin anew', async () => {
    const server = await start();
    server.behave(firstOnly({ kind: 'cut', after: 2 }));
    const parts = await ask(connect([server]), { mayRestart: false });
    expect(errorOf(parts).error).toMatchObject({ code: 'cloud_unavailable', retryable: true });
    expect(server.calls).toHaveLength(1);
  });

  it('gives the answer when only its epilogue is broken', async () => {
    const server = await start();
    const chunk = (fields: object) => Buffer.from(`data: ${JSON.stringify(fields)}\n\n`);
    const text = chunk({ choices: [{ delta: { content: 'hi' } }] });
    const end = chunk({ choices: [{ delta: {}, finish_reason: 'length' }] });
    const chunks = [text, end, Buffer.from('data: {"usa\n\n')];
    server.behave(always({ kind: 'raw', contentType: 'text/event-stream', chunks }));
    const parts = await ask(connect([server]));
    expect(resultOf(parts)).toMatchObject({ text: 'hi', finishReason: 'length', calls: 1 });
  });

  it.each([
    [400, { error: { message: 'temperature must be below 2' } }, 'invalid_request'],
    [422, { detail: 'no such field' }, 'invalid_request'],
    [
      400,
      { object: 'error', message: "This model's maximum context length is 8192 tokens" },
      'context_length_exceeded',
    ],
    [400, { error: { code: 'context_length_exceeded', message: '' } }, 'context_length_exceeded'],
    [413, {}, 'payload_too_large'],
  ])('does not repeat a request that is at fault itself: %i %j', async (status, body, code) => {
    const server = await start();
    server.behave(always({ kind: 'status', status, body: JSON.stringify(body) }));
    const error = errorOf(await ask(connect([server])));
    expect(error).toMatchObject({ error: { code, retryable: false }, calls: 1 });
    expect(error.cost.amount).toBe(0);
  });

  it.each([401, 403, 404, 301])('goes elsewhere on %i, and not back', async (status) => {
    const [bad, good] = [await start(), await start()];
    bad.behave(always({ kind: 'status', status, headers: { location: good.baseUrl } }));
    const cloud = connect([bad, good], {}, { random: () => 0 });
    for (let n = 0; n < 3; n++) expect(resultOf(await ask(cloud)).endpoint).toBe('e1');
    expect(bad.calls).toHaveLength(1);
    expect(cloud.state().endpoints[0]).toMatchObject({
      breaker: 'open',
      problem: `http ${status}`,
    });
  });

  it.each([501, 508])(
    'goes elsewhere on %i, which says nothing of the endpoint',
    async (status) => {
      const [bad, good] = [await start(), await start()];
      bad.behave(always({ kind: 'status', status }));
      const cloud = connect([bad, good], {}, { random: () => 0 });
      for (let n = 0; n < 3; n++) expect(resultOf(await ask(cloud)).endpoint).toBe('e1');
      expect(bad.calls).toHaveLength(3);
      expect(cloud.state().endpoints[0]?.breaker).toBe('closed');
    },
  );

  it.each<Behaviour>([
    { kind: 'malformed', after: 0 },
    { kind: 'error_event', after: 1, error: 'x' },
    { kind: 'stall', after: 1 },
  ])('lets go of a connection that nobody reads any more: %j', async (behaviour) => {
    const server = await start();
    server.behave(firstOnly(behaviour));
    const parts = await ask(connect([server], { maxConcurrency: 1, idleTimeoutMs: 100 }));
    expect(resultOf(parts)).toMatchObject({ text: ANSWER, calls: 2 });
    await expect.poll(() => server.calls[0]?.aborted).toBe(true);
  });

  it('names a context that is too long although the words stand in the prompt as well', async () => {
    const server = await start();
    const content = 'what does it mean that the context length is exceeded';
    const body = JSON.stringify({ error: { message: 'the context length is exceeded' } });
    server.behave(always({ kind: 'status', status: 400, body }));
    const error = errorOf(await ask(connect([server]), { messages: [{ role: 'user', content }] }));
    expect(error.error).toMatchObject({
      code: 'context_length_exceeded',
      message: 'the cloud endpoint answered 400',
    });
  });

  it('tells the reason when the only endpoint refuses the key', async () => {
    const server = await start();
    const body = JSON.stringify({ error: { message: 'wrong API key', type: 'auth' } });
    server.behave(always({ kind: 'status', status: 401, body }));
    for (const patient of [false, true]) {
      const error = errorOf(await ask(connect([server]), { patient })).error;
      expect(error).toMatchObject({
        code: 'cloud_unavailable',
        message: 'the cloud endpoint answered 401: wrong API key',
      });
    }
  });

  it('shows what the provider says of a bad request', async () => {
    const server = await start();
    const body = JSON.stringify({ error: { message: 'temperature must be below 2' } });
    server.behave(always({ kind: 'status', status: 400, body }));
    expect(errorOf(await ask(connect([server]))).error.message).toBe(
      'the cloud endpoint answered 400: temperature must be below 2',
    );
  });

  it('cannot reach anybody: says so at once, with the cost of nothing', async () => {
    const server = await start();
    const cloud = connect([server]);
    await server.close();
    undo.splice(0, 1);
    const error = errorOf(await ask(cloud));
    expect(error.error).toMatchObject({ code: 'cloud_unavailable', retryable: true });
    expect(error.cost).toEqual({ amount: 0, currency: 'USD' });
    expect(cloud.state()).toMatchObject({ reachable: false });
  });
});

describe('leaving and ending', () => {
  it('cancels with the partial text after the first token', async () => {
    const server = await start();
    server.behave(always({ kind: 'stall', after: 2 }));
    const stop = new AbortController();
    const parts = [];
    const cloud = connect([server]);
    for await (const part of cloud.generate(requestOf(clock), stop.signal)) {
      parts.push(part);
      stop.abort();
    }
    expect(resultOf(parts)).toMatchObject({
      finishReason: 'cancelled',
      usage: { estimated: true },
    });
    expect('You said ').toContain(resultOf(parts).text);
    expect(cloud.state().endpoints[0]?.inFlight).toBe(0);
  });

  it('cancels before the first token with an error', async () => {
    const server = await start();
    server.behave(always({ kind: 'stall' }));
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    expect(errorOf(await ask(connect([server]), {}, stop.signal)).error.code).toBe('cancelled');
  });

  it('ends the call of a reader that leaves', async () => {
    const server = await start();
    server.behave(always({ kind: 'stall', after: 2 }));
    const cloud = connect([server]);
    for await (const part of cloud.generate(requestOf(clock), new AbortController().signal)) {
      expect(part.type).toBe('delta');
      break;
    }
    expect(cloud.state().endpoints[0]?.inFlight).toBe(0);
    await expect.poll(() => server.calls[0]?.aborted).toBe(true);
  });

  it('closes while answers run and while a reader has gone to sleep', async () => {
    const server = await start();
    server.behave(always({ kind: 'stall', after: 2 }));
    const cloud = connect([server]);
    const parts = cloud.generate(requestOf(clock), new AbortController().signal);
    const asleep = parts[Symbol.asyncIterator]();
    await asleep.next();
    const reading = ask(cloud);
    await expect.poll(() => server.calls.length).toBe(2);
    await cloud.close();
    expect(errorOf(await reading).error.code).toBe('draining');
    expect(errorOf(await ask(cloud)).error.code).toBe('draining');
    expect(server.calls).toHaveLength(2);
  });
});

describe('what must not be seen', () => {
  it('keeps keys, prompts and quoted prompts out of logs and errors', async () => {
    const lines: string[] = [];
    const note = (fields: LogFields, message: string) =>
      void lines.push(JSON.stringify(fields) + message);
    const logger: Logger = {
      debug: note,
      info: note,
      warn: note,
      error: note,
      child: () => logger,
    };
    const server = await start();
    const key = 'bce-v3/ALTAK-0123456789/abcdef0123456789';
    const cloud = connect([server], { apiKey: key }, { logger });
    const messages = [{ role: 'user' as const, content: 'my PIN is 4711-8822, 我住在北京' }];
    const bodies = [
      `invalid input "my PIN is 4711-8822" for ${key}`,
      `bad value '4711-8822'`,
      '\\u6211\\u4f4f\\u5728\\u5317\\u4eac is not allowed',
      `the key ${key} is unknown\u0007\nsecond line`,
    ];
    for (const message of bodies) {
      for (const status of [400, 500]) {
        const body = JSON.stringify({ error: { message, type: 'x' } });
        server.behave(always({ kind: 'status', status, body }));
        lines.push(JSON.stringify(errorOf(await ask(cloud, { messages }))));
      }
    }
    lines.push(JSON.stringify(cloud.state()));
    const seen = lines.join('\n');
    // One error and at least one log line or repeated call for each status and message.
    expect(lines.length).toBeGreaterThan(12);
    for (const secret of [key, 'ALTAK', '4711', '8822', '北京', '\\u5317', '\u0007']) {
      expect(seen).not.toContain(secret);
    }
  });

  it('sends nothing that is not marked, on no way', async () => {
    const [bad, good] = [await start(), await start()];
    const cloud = connect([bad, good], {}, { random: () => 0 });
    for (const mayLeave of [false, undefined, 'true', 1, null] as unknown as boolean[]) {
      for (const patient of [false, true]) {
        const error = errorOf(await ask(cloud, { mayLeave, patient })).error;
        expect(error.code).toBe('privacy_blocked');
      }
    }
    expect([...bad.calls, ...good.calls]).toEqual([]);
  });

  it('looks at the mark before each call: a retry after it was withdrawn is refused', async () => {
    for (const behaviour of [
      { kind: 'status', status: 503 },
      { kind: 'cut', after: 1 },
    ] as const) {
      const [bad, good] = [await start(), await start()];
      const request = requestOf(clock);
      bad.behave(() => {
        request.mayLeave = false;
        return behaviour;
      });
      const cloud = connect([bad, good], {}, { random: () => 0 });
      const parts = await readAll(cloud.generate(request, new AbortController().signal));
      expect(errorOf(parts).error.code).toBe('privacy_blocked');
      expect(good.calls).toEqual([]);
    }
  });
});
