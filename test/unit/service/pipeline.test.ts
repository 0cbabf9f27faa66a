import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TwowattError } from '../../../src/core/index.ts';
import { createFixture } from './fixture.ts';

const messages = [{ role: 'user', content: 'hi' }];
let fixture: ReturnType<typeof createFixture>;
const setUp = (options?: Parameters<typeof createFixture>[0]) => {
  fixture.journal.close();
  fixture.remove();
  fixture = createFixture(options);
  return fixture;
};

beforeEach(() => {
  fixture = createFixture();
});
afterEach(() => {
  fixture.journal.close();
  fixture.remove();
});

describe('a prompt', () => {
  it('is answered once with a done frame on its default reply topic', async () => {
    const { pipeline, clock, port, inbound, frames } = fixture;
    await pipeline.submit(inbound({ id: 'a', messages }));
    await clock.advance(10);
    expect(port.delivered.map(({ reply }) => reply.topic)).toEqual(['twowatt/v1/pi/reply/a']);
    expect(frames('a')).toMatchObject([
      {
        v: 1,
        id: 'a',
        node: 'pi',
        type: 'done',
        text: 'yes',
        finish_reason: 'stop',
        model: 'fake',
        route: { target: 'edge', endpoint: null, escalated: false },
        confidence: 0.9,
        usage: { prompt_tokens: 2, completion_tokens: 3, cached_tokens: 0 },
        energy: { joules: 1.5, joules_per_token: 0.5, measured: true },
        cost: { amount: 0, currency: 'USD' },
      },
    ]);
    expect(pipeline.totals()).toMatchObject({
      accepted: 1,
      edge: 1,
      cloud: 0,
      completed: 1,
      rejected: 0,
      energyTokens: 3,
      energyJoules: 1.5,
    });
  });

  it('streams accepted, deltas in order and the terminal frame', async () => {
    const { pipeline, clock, inbound, frames } = setUp({ tokenMs: 10 });
    await pipeline.submit(inbound({ id: 'a', messages, stream: true }));
    await clock.advance(100);
    expect(
      frames('a').map((frame) => ('seq' in frame ? [frame.seq, frame.text] : frame.type)),
    ).toEqual(['accepted', [0, 'y'], [1, 'e'], [2, 's'], 'done']);
    expect(frames('a')[0]).toMatchObject({ queue_position: 0, eta_ms: null });
    expect(frames('a').at(-1)).toMatchObject({
      timing: { queued_ms: 0, ttft_ms: 10, total_ms: 30 },
    });
  });

  it('voids its deltas when the engine restarts', async () => {
    const { pipeline, engine, clock, inbound, frames } = setUp({ tokenMs: 10 });
    await pipeline.submit(inbound({ id: 'a', messages, stream: true }));
    await clock.advance(15);
    engine.restartNext();
    await clock.advance(100);
    expect(frames('a').map((frame) => ('seq' in frame ? frame.seq : frame.type))).toEqual([
      'accepted',
      0,
      'restart',
      0,
      1,
      2,
      'done',
    ]);
  });

  it('goes to the Response Topic, then reply_to, with Correlation Data and user properties kept', async () => {
    const { pipeline, clock, port, inbound } = fixture;
    const correlation = Buffer.from([1, 2, 255]).toString('base64');
    const userProperties = { trace: 'x' };
    const body = { id: 'a', messages, reply_to: 'my/replies' };
    await pipeline.submit(inbound(body, { correlation, userProperties }));
    await pipeline.submit(inbound({ ...body, id: 'b' }, { responseTopic: 'other/replies' }));
    await clock.advance(10);
    expect(port.delivered.map(({ reply }) => reply)).toMatchObject([
      { topic: 'my/replies', correlation, userProperties },
      { topic: 'other/replies' },
    ]);
  });

  it('takes Correlation Data of an id’s form as its id', async () => {
    const { pipeline, clock, port, inbound } = fixture;
    const correlation = Buffer.from('job-7').toString('base64');
    await pipeline.submit(inbound({ messages }, { correlation }));
    await clock.advance(10);
    expect(port.delivered.map(({ id }) => id)).toEqual(['job-7']);
  });

  it('comes back bare on the plain-text topic, errors as !code message', async () => {
    const text = { format: 'text', defaultReplyTopic: () => 'reply/text' } as const;
    const { pipeline, clock, port, inbound, engine } = setUp({
      answer: ({ messages: [message] = [] }) =>
        message?.content === '{"x"' ? 'fine' : new TwowattError('internal', 'broken'),
    });
    await pipeline.submit(inbound('{"x"', text));
    await pipeline.submit(inbound('other', text));
    await clock.advance(10);
    expect(port.delivered.map(({ payload }) => payload)).toEqual(['fine', '!internal broken']);
    expect(engine.requests).toHaveLength(2);
  });
});

describe('refusals', () => {
  it.each([
    ['{"broken', 'invalid_request', undefined, 'twowatt/v1/pi/reply/invalid'],
    ['', 'invalid_request', undefined, 'twowatt/v1/pi/reply/invalid'],
    [Uint8Array.of(0xff), 'invalid_request', undefined, 'twowatt/v1/pi/reply/invalid'],
    [
      { id: 'a', messages, temperature: 'x' },
      'invalid_request',
      'temperature',
      'twowatt/v1/pi/reply/a',
    ],
    [{ id: 'a', messages, n: 2, reply_to: 'mine' }, 'unsupported', 'n', 'mine'],
    [
      { id: 'a', messages, reply_to: 'x/#' },
      'invalid_request',
      'reply_to',
      'twowatt/v1/pi/reply/a',
    ],
    [
      { id: 'a', messages, reply_to: 'twowatt/v1/other/request/drain' },
      'invalid_request',
      'reply_to',
      'twowatt/v1/pi/reply/a',
    ],
    [{ id: 'a', messages, model: 'gpt' }, 'model_unavailable', 'model', 'twowatt/v1/pi/reply/a'],
    [{ id: 'a', messages, route: 'cloud' }, 'cloud_unavailable', 'route', 'twowatt/v1/pi/reply/a'],
  ])('%j is %s', async (body, code, param, topic) => {
    const { pipeline, clock, port, inbound, engine, journal } = fixture;
    await pipeline.submit(inbound(body));
    await clock.advance(10);
    expect(port.delivered).toHaveLength(1);
    expect(port.delivered[0]?.reply.topic).toBe(topic);
    const frame = JSON.parse(port.delivered[0]?.payload ?? '') as { error: object };
    expect(frame.error).toMatchObject({ code, ...(param === undefined ? {} : { param }) });
    expect(engine.requests).toHaveLength(0);
    expect(journal.counts().depth).toBe(0);
    expect(pipeline.totals().rejected).toBe(1);
  });

  it('payload_too_large names both sizes', async () => {
    const { pipeline, clock, inbound, frames } = fixture;
    await pipeline.submit(inbound('x'.repeat(100), { payloadBytes: 70_000 }));
    await clock.advance(1);
    expect(frames('invalid')[0]).toMatchObject({
      error: { code: 'payload_too_large', message: expect.stringMatching(/70000.*65536/) },
    });
  });

  it('queue_full at once when the journal is at its bounds, and the rest is still answered', async () => {
    const { pipeline, clock, inbound, frames } = setUp({ tokenMs: 10, maxDepth: 2 });
    for (const id of ['a', 'b', 'c']) await pipeline.submit(inbound({ id, messages }));
    expect(frames('c')).toMatchObject([
      { type: 'error', error: { code: 'queue_full', retryable: true } },
    ]);
    await clock.advance(200);
    expect(frames('a').at(-1)?.type).toBe('done');
    expect(frames('b').at(-1)?.type).toBe('done');
  });

  it('draining refuses, and resume takes prompts again', async () => {
    const { pipeline, clock, inbound, frames } = fixture;
    pipeline.drain();
    await pipeline.submit(inbound({ id: 'a', messages }));
    pipeline.resume();
    await pipeline.submit(inbound({ id: 'b', messages }));
    await clock.advance(10);
    expect(frames('a')).toMatchObject([{ error: { code: 'draining' } }]);
    expect(frames('b')).toMatchObject([{ type: 'done' }]);
  });
});

describe('the same prompt twice', () => {
  it('gets the stored bytes again and is not run again', async () => {
    const { pipeline, clock, port, inbound, engine } = fixture;
    await pipeline.submit(inbound({ id: 'a', messages }));
    await clock.advance(10);
    await pipeline.submit(inbound({ id: 'a', messages }));
    await clock.advance(10);
    expect(engine.requests).toHaveLength(1);
    expect(port.delivered).toHaveLength(2);
    expect(port.delivered[1]?.payload).toBe(port.delivered[0]?.payload);
  });

  it('gets a copy of its own also before the broker has acknowledged the first', async () => {
    const { pipeline, clock, port, inbound } = fixture;
    const { promise, resolve } = Promise.withResolvers<void>();
    port.acknowledged = promise;
    await pipeline.submit(inbound({ id: 'a', messages }));
    await clock.advance(10);
    expect(port.delivered).toHaveLength(1);
    await pipeline.submit(inbound({ id: 'a', messages }));
    await clock.advance(10);
    resolve();
    await clock.advance(10);
    expect(port.delivered.map(({ payload }) => payload)).toEqual([
      port.delivered[0]?.payload,
      port.delivered[0]?.payload,
    ]);
  });

  it('waits for the running one', async () => {
    const { pipeline, clock, inbound, engine, frames } = setUp({ tokenMs: 10 });
    await pipeline.submit(inbound({ id: 'a', messages }));
    await pipeline.submit(inbound({ id: 'a', messages }));
    await clock.advance(100);
    expect(engine.requests).toHaveLength(1);
    expect(frames('a')).toHaveLength(1);
  });

  it('with another body is refused, and the first one is still answered', async () => {
    const { pipeline, clock, inbound, frames } = setUp({ tokenMs: 10 });
    await pipeline.submit(inbound({ id: 'a', messages }));
    await pipeline.submit(inbound({ id: 'a', messages, seed: 1 }));
    await clock.advance(100);
    expect(frames('a')).toMatchObject([
      { error: { code: 'invalid_request', param: 'id' } },
      { type: 'done' },
    ]);
  });

  it('without an id of its own is recognised when the broker redelivers the packet', async () => {
    const { pipeline, clock, inbound, engine } = fixture;
    const packet = { packetId: 77 };
    await pipeline.submit(inbound({ messages }, packet));
    await clock.advance(10);
    await pipeline.submit(inbound({ messages }, { ...packet, redelivered: true }));
    await clock.advance(10);
    expect(engine.requests).toHaveLength(1);
  });
});

describe('order', () => {
  it('runs higher priority first and a session’s prompts in order, with its history', async () => {
    const { pipeline, clock, inbound, engine } = setUp({
      tokenMs: 10,
      answer: (request) => `re ${request.messages?.at(-1)?.content ?? ''}`,
    });
    const say = (content: string) => [{ role: 'user', content }];
    await pipeline.submit(inbound({ id: 'first', messages: say('first') }));
    await pipeline.submit(inbound({ id: 's1', session: 's', messages: say('one'), priority: 1 }));
    await pipeline.submit(inbound({ id: 's2', session: 's', messages: say('two'), priority: 9 }));
    await pipeline.submit(inbound({ id: 'late', messages: say('late'), priority: 7 }));
    await clock.advance(2000);
    expect(engine.requests.map(({ messages: all }) => all?.map(({ content }) => content))).toEqual([
      ['first'],
      ['late'],
      ['one'],
      ['one', 're one', 'two'],
    ]);
  });
});

describe('slots', () => {
  it('begins one prompt at a time, so that a crash counts against that one only', async () => {
    const { pipeline, clock, inbound, journal } = setUp({ tokenMs: 10, state: 'restarting' });
    for (const id of ['a', 'b', 'c']) await pipeline.submit(inbound({ id, messages }));
    fixture.engine.setState('ready');
    await clock.advance(5);
    expect(pipeline.busy()).toBe(1);
    const states = ['a', 'b', 'c'].map((id) => journal.findActive(id)[0]?.state);
    expect(states).toEqual(['running', 'waiting', 'waiting']);
  });
});

describe('deadlines and cancel', () => {
  it('expires while waiting, without being run', async () => {
    const { pipeline, clock, inbound, engine, frames } = setUp({ tokenMs: 100 });
    await pipeline.submit(inbound({ id: 'a', messages }));
    await pipeline.submit(inbound({ id: 'b', messages, deadline_ms: 150 }));
    await clock.advance(160);
    expect(frames('b')).toMatchObject([{ error: { code: 'expired' } }]);
    await clock.advance(1000);
    expect(engine.requests).toHaveLength(1);
  });

  it('expires while being answered, whatever was there already', async () => {
    const { pipeline, clock, inbound, frames } = setUp({ tokenMs: 100 });
    await pipeline.submit(inbound({ id: 'a', messages }, { expiryMs: 250 }));
    await clock.advance(1000);
    expect(frames('a')).toMatchObject([{ error: { code: 'expired' } }]);
  });

  it.each([
    ['power', 'power_limited'],
    ['thermal', 'thermal_limited'],
  ] as const)('ends as %s limited when that is what held it up', async (pausedBy, code) => {
    const { pipeline, clock, inbound, frames, limit } = setUp({ tokenMs: 100_000 });
    limit.pausedBy = pausedBy;
    await pipeline.submit(inbound({ id: 'a', messages, deadline_ms: 200 }));
    await pipeline.submit(inbound({ id: 'b', messages, deadline_ms: 300 }));
    await clock.advance(1000);
    expect(frames('a')).toMatchObject([{ error: { code, retryable: true } }]);
    expect(frames('b')).toMatchObject([{ error: { code } }]);
  });

  it('keeps its deadline when the wall clock jumps by years', async () => {
    const { pipeline, clock, inbound, frames } = setUp({ tokenMs: 100 });
    await pipeline.submit(inbound({ id: 'a', messages, deadline_ms: 5000 }));
    clock.jumpWall(10 * 365 * 86_400_000);
    await clock.advance(50);
    clock.jumpWall(-20 * 365 * 86_400_000);
    await clock.advance(1000);
    expect(frames('a')).toMatchObject([{ type: 'done' }]);
  });

  it('is refused up front when the queue alone takes longer', async () => {
    const { pipeline, clock, inbound, frames } = setUp({ tokenMs: 100 });
    await pipeline.submit(inbound({ id: 'a', messages }));
    await clock.advance(1000);
    await pipeline.submit(inbound({ id: 'b', messages }));
    await pipeline.submit(inbound({ id: 'c', messages, deadline_ms: 200 }));
    expect(frames('c')).toMatchObject([{ error: { code: 'deadline_unmeetable' } }]);
    await pipeline.submit(inbound({ id: 'd', messages, deadline_ms: 2000 }));
    await clock.advance(2000);
    expect(frames('d')).toMatchObject([{ type: 'done' }]);
  });

  it('cancels a waiting prompt as an error and a running one with its partial text', async () => {
    const { pipeline, clock, inbound, engine, frames } = setUp({ tokenMs: 100 });
    await pipeline.submit(inbound({ id: 'a', messages }));
    await pipeline.submit(inbound({ id: 'b', messages }));
    await clock.advance(150);
    pipeline.cancel('b', { kind: 'mqtt' });
    pipeline.cancel('a', { kind: 'mqtt' });
    pipeline.cancel('never seen', { kind: 'mqtt' });
    await clock.advance(1000);
    expect(frames('a')).toMatchObject([{ type: 'done', finish_reason: 'cancelled', text: 'y' }]);
    expect(frames('b')).toMatchObject([{ error: { code: 'cancelled' } }]);
    expect(engine.requests).toHaveLength(1);
  });
});

describe('trouble', () => {
  it('sends stored answers when the broker comes back, and only once each', async () => {
    const { pipeline, clock, port, inbound, frames } = fixture;
    port.connected = false;
    await pipeline.submit(inbound({ id: 'a', messages }));
    await clock.advance(10);
    expect(port.delivered).toEqual([]);
    port.connected = true;
    pipeline.connected();
    await clock.advance(10);
    pipeline.connected();
    await clock.advance(10);
    expect(frames('a')).toHaveLength(1);
  });

  it('runs after a restart what it accepted before, and gives up what keeps killing it', async () => {
    const { clock, inbound, frames, build, remove } = setUp({ tokenMs: 1000 });
    await fixture.pipeline.submit(inbound({ id: 'a', messages }));
    await clock.advance(10);
    for (let crash = 0; crash < 3; crash += 1) {
      clock.reboot();
      fixture.journal.close();
      fixture = { ...fixture, ...build() };
      await clock.advance(10);
    }
    expect(frames('a')).toMatchObject([{ error: { code: 'internal' } }]);
    expect(fixture.engine.requests).toHaveLength(0);
    expect(remove).toBeTypeOf('function');
  });

  it('puts the running prompt back at a stop, and it does not count against it', async () => {
    const { pipeline, clock, inbound, build, frames, journal } = setUp({ tokenMs: 1000 });
    await pipeline.submit(inbound({ id: 'a', messages }));
    await clock.advance(10);
    const stopping = pipeline.stop(500);
    await clock.advance(3000);
    await stopping;
    expect(frames('a')).toEqual([]);
    journal.close();
    fixture = { ...fixture, ...build() };
    await clock.advance(10_000);
    expect(frames('a')).toMatchObject([{ type: 'done', text: 'yes' }]);
  });

  it('finishes the running prompt at a stop when there is time', async () => {
    const { pipeline, clock, inbound, frames } = setUp({ tokenMs: 100 });
    await pipeline.submit(inbound({ id: 'a', messages }));
    const stopping = pipeline.stop(5000);
    await clock.advance(6000);
    await stopping;
    expect(frames('a')).toMatchObject([{ type: 'done', text: 'yes' }]);
  });

  it('waits for an engine that restarts, and ends with model_unavailable when it stays away', async () => {
    const { pipeline, engine, clock, inbound, frames } = setUp({ state: 'restarting' });
    await pipeline.submit(inbound({ id: 'a', messages }));
    await clock.advance(30_000);
    expect(frames('a')).toEqual([]);
    engine.setState('ready');
    await clock.advance(10);
    expect(frames('a')).toMatchObject([{ type: 'done' }]);

    engine.setState('unavailable', new TwowattError('model_unavailable', 'the file is gone'));
    await pipeline.submit(inbound({ id: 'b', messages }));
    await clock.advance(59_000);
    expect(frames('b')).toEqual([]);
    await clock.advance(2000);
    expect(frames('b')).toMatchObject([
      { error: { code: 'model_unavailable', message: 'the file is gone' } },
    ]);
    await pipeline.submit(inbound({ id: 'c', messages }));
    expect(frames('c')).toMatchObject([{ error: { code: 'model_unavailable' } }]);
  });

  it('leaves no timer behind after a stop', async () => {
    const { pipeline, clock, inbound } = fixture;
    await pipeline.submit(inbound({ id: 'a', messages, deadline_ms: 100_000 }));
    await clock.advance(10);
    const stopping = pipeline.stop(1000);
    await clock.advance(5000);
    await stopping;
    expect(clock.pendingTimers()).toBe(0);
  });
});

describe('a journal that fails', () => {
  it('ends no timer and no reconnect with an error of its own', async () => {
    const { pipeline, journal, clock, port } = setUp();
    journal.close();
    await clock.advance(180_000);
    pipeline.connected();
    pipeline.cancel('a', { kind: 'mqtt' });
    await clock.advance(10);
    expect(port.delivered).toEqual([]);
  });
});

describe('what the watchdog asks', () => {
  it('is no neglect while a prompt runs, waits behind one, or cannot run', async () => {
    const { pipeline, engine, clock, inbound } = setUp({ tokenMs: 10 });
    expect(pipeline.neglects()).toBe(false);
    await pipeline.submit(inbound({ id: 'a', messages }));
    await pipeline.submit(inbound({ id: 'b', messages }));
    expect(pipeline.neglects()).toBe(false);
    await clock.advance(1000);
    engine.setState('restarting');
    await pipeline.submit(inbound({ id: 'c', messages }));
    expect(pipeline.neglects()).toBe(false);
    engine.setState('ready');
    await clock.advance(1000);
    expect(pipeline.neglects()).toBe(false);
  });

  it('is neglect when a prompt could run and does not', () => {
    const { pipeline, journal } = fixture;
    // Behind the pipeline's back: nobody told it to look.
    journal.accept({
      id: 'x',
      idGenerated: false,
      reply: {
        kind: 'mqtt',
        topic: 'twowatt/v1/pi/reply/x',
        format: 'frames',
        correlation: null,
        userProperties: null,
      },
      bodyHash: '0'.repeat(64),
      body: '{}',
      session: null,
      priority: 5,
      deadlineMs: null,
      delivery: null,
    });
    expect(pipeline.neglects()).toBe(true);
  });
});
