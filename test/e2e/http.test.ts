import OpenAI, { APIError, APIUserAbortError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAedes, type TestBroker } from '../fakes/brokers.ts';
import {
  BASE,
  connectDevice,
  type DaemonProcess,
  type Device,
  NODE_ID,
  startDaemonProcess,
  temporaryFolder,
  until,
  waitOnline,
} from './harness.ts';

const ask = (content: string) => [{ role: 'user' as const, content }];
/** Random words for as long as the context lasts. */
const LONG = { prompt: 'Once', max_tokens: 1500, temperature: 2, seed: 1 };

/** What the call failed with; fails itself when it did not. */
async function failureOf(call: Promise<unknown>): Promise<APIError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof APIError)) throw new Error('expected an APIError', { cause: error });
  return error;
}

describe('the daemon with the bundled model, asked by the official OpenAI client', () => {
  const folder = temporaryFolder();
  let broker: TestBroker;
  let device: Device;
  let daemon: DaemonProcess;
  let url: string;
  let client: OpenAI;

  async function start(): Promise<void> {
    daemon = startDaemonProcess({ brokerUrl: broker.url, stateFolder: folder.path });
    url = await daemon.httpUrl();
    await until(async () => (await fetch(`${url}/readyz`)).ok, 'the node to be ready');
    client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
  }
  beforeAll(async () => {
    broker = await startAedes();
    device = await connectDevice(broker.url, { protocolVersion: 4 });
    await start();
    await waitOnline(device);
  });
  afterAll(async () => {
    expect(await daemon.stop(), daemon.output()).toBe(0);
    await device.close();
    await broker.close();
    folder.remove();
  });

  it('lists its model and finds it by name', async () => {
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual(['twowatt-nano']);
    expect(await client.models.retrieve('twowatt-nano')).toMatchObject({ object: 'model' });
    expect(await failureOf(client.models.retrieve('gpt-4'))).toMatchObject({ status: 404 });
  });

  it('chats', async () => {
    const answer = await client.chat.completions.create({
      model: 'twowatt-nano',
      messages: ask('把客厅的灯调到30%'),
      logprobs: true,
      top_logprobs: 2,
    });
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model: 'twowatt-nano',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant' } }],
      twowatt: { node: NODE_ID, route: { target: 'edge' } },
    });
    expect(answer.id).toMatch(/^chatcmpl-/);
    expect(JSON.parse(answer.choices[0]?.message.content ?? '')).toMatchObject({ intent: 'set' });
    const {
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: total,
    } = answer.usage ?? { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
    expect(prompt).toBe(16);
    expect(total).toBe(prompt + completion);
    const tokens = answer.choices[0]?.logprobs?.content ?? [];
    expect(tokens).toHaveLength(completion);
    expect(tokens[0]?.top_logprobs).toHaveLength(2);
  });

  it('streams what it would answer whole', async () => {
    const request = { model: 'twowatt-nano', messages: ask('what is MQTT') };
    const whole = await client.chat.completions.create(request);
    const stream = await client.chat.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
    expect(text).toBe(whole.choices[0]?.message.content);
    expect(chunks.length).toBeGreaterThan(4);
    expect(chunks[0]?.choices[0]?.delta.role).toBe('assistant');
    expect(chunks.at(-2)).toMatchObject({ choices: [{ finish_reason: 'stop' }], usage: null });
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage });
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });

  it('understands text in parts and the developer role', async () => {
    const answer = await client.chat.completions.create({
      model: 'twowatt-nano',
      messages: [
        { role: 'developer', content: 'Answer with JSON.' },
        { role: 'user', content: [{ type: 'text', text: 'turn off the fan in the bedroom' }] },
      ],
    });
    expect(answer.choices[0]?.message.content).not.toBe('');
  });

  it('completes raw text, whole and streamed', async () => {
    const request = { model: 'twowatt-nano', prompt: 'MQTT is', max_tokens: 8 };
    const whole = await client.completions.create({ ...request, logprobs: 1 });
    expect(whole).toMatchObject({ object: 'text_completion' });
    expect(whole.choices[0]?.logprobs?.tokens).toHaveLength(whole.usage?.completion_tokens ?? 0);
    let text = '';
    for await (const { choices } of await client.completions.create({ ...request, stream: true })) {
      text += choices[0]?.text ?? '';
    }
    expect(text).toBe(whole.choices[0]?.text);
  });

  it('refuses in OpenAI’s words', async () => {
    const messages = ask('hi');
    const model = 'twowatt-nano';
    const cases: [() => Promise<unknown>, object][] = [
      [
        () => client.chat.completions.create({ model: 'gpt-4', messages }),
        { status: 404, code: 'model_unavailable', param: 'model', type: 'invalid_request_error' },
      ],
      [
        () => client.chat.completions.create({ model, messages, n: 2 }),
        { status: 501, code: 'unsupported', param: 'n' },
      ],
      [
        () => client.chat.completions.create({ model, messages, temperature: 9 }),
        { status: 400, code: 'invalid_request', param: 'temperature' },
      ],
      [
        () => client.chat.completions.create({ model, messages: ask('x'.repeat(70_000)) }),
        { status: 413, code: 'payload_too_large' },
      ],
      [
        () => client.completions.create({ model, prompt: ['a', 'b'] }),
        { status: 501, code: 'unsupported', param: 'prompt' },
      ],
      [
        () => client.chat.completions.create({ model, messages, stream: true, top_logprobs: 1 }),
        { status: 400, code: 'invalid_request', param: 'top_logprobs' },
      ],
    ];
    // One after the other: a refusal that nobody awaits yet would count as unhandled.
    for (const [call, expected] of cases) expect(await failureOf(call())).toMatchObject(expected);
  });

  it('cancels what the client gave up, and goes on with others', async () => {
    const abort = new AbortController();
    const stream = await client.completions.create(
      { model: 'twowatt-nano', ...LONG, stream: true },
      { signal: abort.signal },
    );
    const waiting = client.completions.create(
      { model: 'twowatt-nano', ...LONG },
      { signal: abort.signal },
    );
    for await (const _chunk of stream) break;
    abort.abort();
    await expect(waiting).rejects.toThrow(APIUserAbortError);
    await until(async () => {
      const { queue } = (await (await fetch(`${url}/api/telemetry`)).json()) as {
        queue: { depth: number };
      };
      return queue.depth === 0;
    }, 'the queue to be empty');
    const answer = await client.chat.completions.create({
      model: 'twowatt-nano',
      messages: ask('what is MQTT'),
    });
    expect(answer.choices[0]?.finish_reason).toBe('stop');
  });

  it('keeps the ways apart: no frame of an HTTP prompt reaches the broker', async () => {
    const body = { id: 'apart', messages: ask('what is MQTT') };
    const post = (extra: object) =>
      fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...body, ...extra }),
      });
    expect((await post({})).status).toBe(200);
    const refused = await post({ reply_to: `${BASE}/${NODE_ID}/request/drain` });
    expect(await refused.json()).toMatchObject({ error: { param: 'reply_to' } });
    await device.prompt(body);
    expect(await device.terminal('apart')).toMatchObject({ type: 'done' });
    expect(device.frames('apart')).toHaveLength(1);
  });

  it('ends a second daemon that wants the same port with 1, naming the setting', async () => {
    const other = temporaryFolder();
    const second = startDaemonProcess({
      brokerUrl: broker.url,
      stateFolder: other.path,
      set: [`http.port=${new URL(url).port}`],
    });
    expect(await second.exited).toBe(1);
    expect(second.output()).toMatch(/twowatt: invalid_request: http\.port: another program/);
    other.remove();
  });

  it('does not run after a power cut what nobody can receive any more', async () => {
    const running = client.completions.create({ model: 'twowatt-nano', ...LONG }).catch(() => null);
    const queued = client.completions.create({ model: 'twowatt-nano', ...LONG }).catch(() => null);
    await until(() => {
      const accepted = daemon.output().match(/prompt accepted/g) ?? [];
      const answered = daemon.output().match(/prompt answered/g) ?? [];
      return accepted.length - answered.length === 2;
    }, 'both to be accepted');
    await daemon.kill();
    await Promise.all([running, queued]);
    await start();
    await until(
      () => (daemon.output().match(/"code":"cancelled"/g) ?? []).length === 2,
      'both to be dropped',
    );
    const answer = await client.chat.completions.create({
      model: 'twowatt-nano',
      messages: ask('what is MQTT'),
    });
    expect(answer.choices[0]?.finish_reason).toBe('stop');
  });
});
