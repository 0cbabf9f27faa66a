import { afterEach, describe, expect, it } from 'vitest';
import { TwowattError } from '../../../src/core/index.ts';
import { type Board, errorOf, eventsOf, HI, startBoard, streamedText, until } from './fixture.ts';

let board: Board;
afterEach(() => board.stop());

describe('an answer', () => {
  it('carries OpenAI’s fields and ours', async () => {
    board = await startBoard();
    const response = await board.chat({ model: 'fake' });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      object: 'chat.completion',
      model: 'fake',
      choices: [{ index: 0, finish_reason: 'stop', logprobs: null, message: { content: 'yes' } }],
      usage: { completion_tokens: 3, prompt_tokens_details: { cached_tokens: 0 } },
      twowatt: {
        node: 'pi',
        route: { target: 'edge', escalated: false },
        energy: { joules: 1.5, measured: true },
        confidence: 0.9,
        timing: { queued_ms: expect.any(Number) as number },
      },
    });
  });

  it('goes on where it stood when the engine restarts and says the same again', async () => {
    board = await startBoard({ tokenMs: 10, answer: () => 'the same words again' });
    const response = await board.chat({ stream: true });
    setTimeout(() => board.engine.restartNext(), 60);
    const body = await response.text();
    expect(streamedText(body)).toBe('the same words again');
    expect(eventsOf(body).at(-1)?.data).toBe('[DONE]');
  });

  it('ends a stream with an error when the engine restarts and says something else', async () => {
    const answers = ['first thought', 'second thought'];
    board = await startBoard({ tokenMs: 10, answer: () => answers.shift() ?? '' });
    const response = await board.chat({ stream: true });
    board.engine.restartNext();
    const body = await response.text();
    expect('first thought'.startsWith(streamedText(body))).toBe(true);
    expect(eventsOf(body).at(-1)?.data).toContain('"code":"internal"');
  });

  it('has a status of its own when it fails before the first text', async () => {
    board = await startBoard({
      answer: () => new TwowattError('context_length_exceeded', 'too long', { param: 'messages' }),
    });
    for (const stream of [false, true]) {
      const response = await board.chat({ stream });
      expect(response.headers.get('x-should-retry')).toBe('false');
      expect(await errorOf(response)).toMatchObject({
        status: 400,
        code: 'context_length_exceeded',
        type: 'invalid_request_error',
        param: 'messages',
      });
    }
  });

  it('reaches a reader that was asleep, whole and in fewer chunks', async () => {
    const long = 'wörter '.repeat(60_000);
    board = await startBoard({ answer: () => long });
    const response = await board.chat({ stream: true, max_tokens: 1_000_000 });
    await new Promise((wake) => setTimeout(wake, 500));
    const body = await response.text();
    expect(streamedText(body)).toBe(long);
    expect(eventsOf(body).length).toBeLessThan(long.length / 2);
  });
});

describe('the same id', () => {
  it('gets the stored answer again, and is refused for another body', async () => {
    board = await startBoard();
    const first = (await (await board.chat({ id: 'a' })).json()) as object;
    expect(await (await board.chat({ id: 'a' })).json()).toMatchObject({
      ...first,
      created: expect.any(Number) as number,
    });
    expect(board.engine.requests).toHaveLength(1);
    const refused = await board.chat({ id: 'a', seed: 1 });
    expect(await errorOf(refused)).toMatchObject({ status: 400, param: 'id' });
  });

  it('waits with the first connection, and outlives it', async () => {
    board = await startBoard({ tokenMs: 100 });
    const abort = new AbortController();
    const first = board.chat({ id: 'a', stream: true }, { signal: abort.signal });
    await until(() => board.engine.requests.length === 1, 'the prompt to run');
    const second = board.chat({ id: 'a', stream: true });
    // Another body must not end the first two.
    expect((await board.chat({ id: 'a', seed: 1 })).status).toBe(400);
    abort.abort();
    await expect(first).rejects.toThrow('aborted');
    expect(streamedText(await (await second).text())).toBe('yes');
    expect(board.engine.requests).toHaveLength(1);
  });

  it('is run anew after its client gave up', async () => {
    board = await startBoard({ tokenMs: 50 });
    const abort = new AbortController();
    const first = board.chat({ id: 'a' }, { signal: abort.signal });
    await until(() => board.engine.requests.length === 1, 'the prompt to run');
    abort.abort();
    await expect(first).rejects.toThrow('aborted');
    expect(await (await board.chat({ id: 'a' })).json()).toMatchObject({
      choices: [{ message: { content: 'yes' } }],
    });
    expect(board.engine.requests).toHaveLength(2);
  });
});

describe('a prompt', () => {
  it('is cancelled when its client hangs up, waiting or running', async () => {
    board = await startBoard({ tokenMs: 2000 });
    const aborts = [new AbortController(), new AbortController()] as const;
    const gone = aborts.map(({ signal }) => board.chat({}, { signal }).catch(() => null));
    await until(() => board.journal.counts().depth === 2, 'both to be accepted');
    aborts[1].abort();
    await until(() => board.journal.counts().depth === 1, 'the waiting one to be gone');
    aborts[0].abort();
    await Promise.all(gone);
    await until(() => board.journal.counts().depth === 0, 'the running one to be gone');
    expect(board.engine.requests).toHaveLength(1);
  });

  it('cannot be cancelled over MQTT', async () => {
    board = await startBoard({ tokenMs: 50 });
    const answer = board.chat({ id: 'a' });
    await until(() => board.engine.requests.length === 1, 'the prompt to run');
    board.pipeline.cancel('a', { kind: 'mqtt' });
    expect(await (await answer).json()).toMatchObject({ choices: [{ finish_reason: 'stop' }] });
  });

  it('keeps its place and rights: priority, deadline, full queue', async () => {
    board = await startBoard({ tokenMs: 100, maxDepth: 2 });
    const first = board.chat();
    await until(() => board.journal.counts().depth === 1, 'the first');
    const late = board.chat({ deadline_ms: 50 });
    await until(() => board.journal.counts().depth === 2, 'the second');
    const full = await errorOf(await board.chat());
    expect(full).toMatchObject({ status: 429, code: 'queue_full', type: 'rate_limit_error' });
    expect(await errorOf(await late)).toMatchObject({ status: 504, code: 'expired' });
    expect((await first).status).toBe(200);
  });

  it('tells the pipeline of its hops and that a stream cannot be escalated', async () => {
    board = await startBoard({ tokenMs: 100 });
    const send = (id: string, stream: boolean) =>
      board.chat({ id, stream }, { headers: { 'twowatt-hops': '2' } });
    const both = [send('whole', false), send('stream', true)];
    await until(() => board.journal.counts().depth === 2, 'both');
    const body = (id: string) =>
      JSON.parse(board.journal.findActive(id)[0]?.prompt.body ?? '{}') as object;
    expect(body('whole')).toMatchObject({ hops: 2, escalatesMidStream: true });
    expect(body('stream')).toMatchObject({ hops: 2, escalatesMidStream: false });
    for (const response of await Promise.all(both)) await response.text();
    for (const hops of ['4', '-1', 'x', '1, 2']) {
      const refused = await board.chat({}, { headers: { 'twowatt-hops': hops } });
      expect(await errorOf(refused)).toMatchObject({ status: 400, param: 'twowatt-hops' });
    }
  });

  it.each([
    ['/v1/chat/completions', { prompt: 'x' }, 400, 'prompt'],
    ['/v1/chat/completions', {}, 400, 'messages'],
    ['/v1/chat/completions', { messages: HI, tools: [{ type: 'function' }] }, 501, 'tools'],
    [
      '/v1/chat/completions',
      { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
      501,
      'messages.0.content',
    ],
    [
      '/v1/chat/completions',
      { messages: [{ role: 'tool', content: 'x' }] },
      501,
      'messages.0.role',
    ],
    ['/v1/chat/completions', { messages: HI, stream_options: {} }, 400, 'stream_options'],
    ['/v1/chat/completions', { messages: HI, reply_to: 'a/b' }, 400, 'reply_to'],
    ['/v1/completions', { messages: HI }, 400, 'messages'],
    ['/v1/completions', {}, 400, 'prompt'],
    ['/v1/completions', { prompt: 'x', best_of: 2 }, 501, 'best_of'],
    ['/v1/completions', { prompt: 'x', echo: true }, 501, 'echo'],
    ['/v1/chat/completions', '{"messages":', 400, null],
    ['/v1/chat/completions', '[]', 400, null],
    ['/v1/chat/completions', '', 400, null],
  ])('at %s with %j is refused', async (path, body, status, param) => {
    board = await startBoard();
    const error = await errorOf(await board.post(path, body));
    expect(error).toMatchObject({ status, param });
  });
});
