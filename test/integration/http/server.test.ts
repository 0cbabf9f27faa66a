import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createSystemClock, silentLogger } from '../../../src/core/index.ts';
import { createHttpGateway } from '../../../src/gateway/http/index.ts';
import { METRIC_NAMES } from '../../../src/gateway/http/metrics.ts';
import { type Board, errorOf, eventsOf, startBoard, until } from './fixture.ts';

let board: Board;
afterEach(() => board.stop());

/** Sends raw bytes; resolves to what came back when the server closed. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => (answer += chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}
const request = (head: string) => `GET /v1/models HTTP/1.1\r\n${head}Connection: close\r\n\r\n`;

describe('who may ask', () => {
  it('is decided by the token, wherever one is set', async () => {
    board = await startBoard({ http: { host: '0.0.0.0', token: 'open sesame' } });
    const models = (authorization?: string) =>
      fetch(`${board.url}/v1/models`, authorization ? { headers: { authorization } } : {});
    expect((await models('Bearer open sesame')).status).toBe(200);
    for (const wrong of [undefined, 'Bearer open sesam', 'Bearer open sesame!', 'Basic abc']) {
      const response = await models(wrong);
      expect(response.headers.get('www-authenticate')).toContain('Bearer');
      expect(await errorOf(response)).toMatchObject({
        status: 401,
        code: 'unauthorized',
        type: 'authentication_error',
      });
    }
    for (const path of ['/metrics', '/api/telemetry', '/api/events', '/v1/nothing']) {
      expect((await fetch(board.url + path)).status).toBe(401);
    }
    for (const probe of ['/healthz', '/readyz']) {
      expect((await fetch(board.url + probe)).status).toBe(200);
    }
  });

  it('beyond loopback nobody may without a token', async () => {
    board = await startBoard();
    const { gateway: _gateway, ...rest } = board;
    expect(rest.port).toBeGreaterThan(0);
    const open = (host: string) =>
      createHttpGateway({
        options: {
          host,
          port: 0,
          node: 'pi',
          version: '1',
          instance: 'i',
          token: undefined,
          allowedHosts: [],
          requestsPerMinute: 0,
          maxPayloadBytes: 1000,
          pageFolder: '/nonexistent',
        },
        handlers: {
          onPrompt: async () => {},
          onCancel: () => {},
          models: () => [],
          ready: () => ({ model: false, broker: false }),
          telemetry: () => null,
          health: () => [],
          decisions: () => [],
        },
        logger: silentLogger,
        clock: createSystemClock(),
      });
    for (const host of ['0.0.0.0', '::', '192.168.1.2', 'board.local', '127.evil.example']) {
      expect(() => open(host)).toThrow(/http\.token_file/);
    }
    for (const host of ['127.0.0.1', '127.8.9.1', '::1', 'localhost']) open(host);
  });

  it('on loopback is not a page from elsewhere', async () => {
    board = await startBoard({ http: { allowedHosts: ['board.example'] } });
    const status = async (head: string) =>
      Number((await raw(board.port, request(head))).split(' ')[1]);
    const own = `127.0.0.1:${board.port}`;
    expect(await status(`Host: ${own}\r\n`)).toBe(200);
    expect(await status(`Host: localhost:${board.port}\r\n`)).toBe(200);
    expect(await status('Host: [::1]\r\n')).toBe(200);
    expect(await status('Host: board.example\r\n')).toBe(200);
    expect(await status(`Host: ${own}\r\nOrigin: http://${own}\r\n`)).toBe(200);
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '']) {
      expect(await status(`Host: ${host}\r\n`)).toBe(400);
    }
    expect(await status(`Host: ${own}\r\nOrigin: http://evil.example\r\n`)).toBe(400);
    expect(await status(`Host: ${own}\r\nOrigin: null\r\n`)).toBe(400);
  });

  it('needs JSON, which a form of a foreign page cannot send, and gets no CORS', async () => {
    board = await startBoard();
    const form = await board.chat({}, { headers: { 'content-type': 'text/plain' } });
    expect(form.headers.get('access-control-allow-origin')).toBeNull();
    expect(await errorOf(form)).toMatchObject({ status: 400, param: 'content-type' });
    expect(board.engine.requests).toHaveLength(0);
  });

  it('is slowed down when asking too often', async () => {
    board = await startBoard({ http: { requestsPerMinute: 3 } });
    const models = () => fetch(`${board.url}/v1/models`);
    for (let n = 0; n < 3; n += 1) expect((await models()).status).toBe(200);
    const refused = await models();
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(15);
    expect(await errorOf(refused)).toMatchObject({ status: 429, code: 'rate_limited' });
    expect((await fetch(`${board.url}/healthz`)).status).toBe(200);
  });

  it('may have 32 prompts open', async () => {
    board = await startBoard({ tokenMs: 10_000 });
    const abort = new AbortController();
    const open = Array.from({ length: 32 }, () =>
      board.chat({}, { signal: abort.signal }).catch(() => null),
    );
    await until(() => board.journal.counts().depth === 32, 'all to be accepted');
    expect(await errorOf(await board.chat())).toMatchObject({ code: 'rate_limited' });
    abort.abort();
    await Promise.all(open);
    await until(() => board.journal.counts().depth === 0, 'all to be gone');
  });
});

describe('a hostile client', () => {
  it('is told what is wrong, or cut off', async () => {
    board = await startBoard({ http: { maxPayloadBytes: 1000 } });
    expect(await raw(board.port, 'hello\r\n\r\n')).toContain('"code":"invalid_request"');
    const header = `Host: localhost\r\nX: ${'x'.repeat(20_000)}\r\n`;
    expect(await raw(board.port, request(header))).toContain('"code":"payload_too_large"');
    const large = await board.chat({ user: 'x'.repeat(2000) });
    expect(await errorOf(large)).toMatchObject({ status: 413, code: 'payload_too_large' });
    const promised =
      'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n' +
      'Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n';
    expect(await raw(board.port, promised)).toContain('413');
    for (const path of ['/index.html', '/nothing', '/v1/chat/completions']) {
      const answer = await errorOf(await fetch(board.url + path));
      expect(answer).toMatchObject({ status: 404, code: 'invalid_request' });
    }
  });

  it('cannot hold a connection by sending its head slowly', async () => {
    board = await startBoard();
    // Answered with 408 after ten seconds, give or take the five of the check.
    expect(await raw(board.port, 'GET /v1/models HTTP/1.1\r\nHost: lo')).toContain('408');
  }, 40_000);
});

describe('the board’s own figures', () => {
  it('are valid Prometheus text, without samples for what is unknown', async () => {
    board = await startBoard();
    const response = await fetch(`${board.url}/metrics`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const lines = (await response.text()).trimEnd().split('\n');
    const types = new Map<string, string>();
    const seen = new Set<string>();
    for (const line of lines) {
      const meta = /^# (HELP|TYPE) (twowatt_[a-z0-9_]+) (.+)$/.exec(line);
      if (meta?.[1] === 'TYPE') types.set(meta[2] ?? '', meta[3] ?? '');
      if (meta !== null) continue;
      const sample =
        /^(twowatt_[a-z0-9_]+)(\{[a-z_]+="(?:[^"\\\n]|\\.)*"(?:,[a-z_]+="(?:[^"\\\n]|\\.)*")*\})? (\S+)$/.exec(
          line,
        );
      expect(sample, line).not.toBeNull();
      const [, name = '', labels = '', value] = sample ?? [];
      expect(types.has(name), line).toBe(true);
      expect(Number.isFinite(Number(value)), line).toBe(true);
      expect(seen.has(name + labels), line).toBe(false);
      seen.add(name + labels);
      expect(types.get(name) === 'counter').toBe(name.endsWith('_total'));
    }
    expect(METRIC_NAMES).toEqual(expect.arrayContaining([...types.keys()]));
    expect(lines).toContain('twowatt_power_watts 1.25');
    expect(lines).toContain('twowatt_governor_max_frequency_hertz 1800000000');
    expect(lines).toContain('twowatt_queue_oldest_seconds 1.5');
    expect(lines).toContain('twowatt_cpu_usage_ratio 0.5');
    expect(lines).toContain('twowatt_power_mean_watts{window="10s"} 1.1');
    expect(lines).toContain('twowatt_health_condition{code="disk_full",severity="error"} 1');
    // Their readings are null.
    expect(types.has('twowatt_board_idle_power_watts')).toBe(false);
    expect(seen.has('twowatt_power_mean_watts{window="60s"}')).toBe(false);
  });

  it('are told as they happen, without a word of prompts and answers', async () => {
    board = await startBoard({ answer: () => 'private answer' });
    const abort = new AbortController();
    const stream = await fetch(`${board.url}/api/events`, { signal: abort.signal });
    let text = '';
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of stream.body ?? []) text += decoder.decode(chunk as Uint8Array);
    })().catch(() => {});
    await board.chat({ id: 'a' });
    await board.chat({ id: 'b', temperature: 0, max_tokens: 1 });
    board.gateway.setDraining(true);
    await until(() => text.includes('draining'), 'the last event');
    const events = eventsOf(text);
    expect(events.map(({ event }) => event)).toEqual([
      'state',
      'health',
      'telemetry',
      'answer',
      'answer',
      'state',
    ]);
    expect(JSON.parse(events[3]?.data ?? '')).toMatchObject({ id: 'a', type: 'done' });
    expect(text).not.toMatch(/private|secret/);
    abort.abort();
    await reading;
  });

  it('say whether the node is ready', async () => {
    board = await startBoard();
    const ready = async () => {
      const response = await fetch(`${board.url}/readyz`);
      return { status: response.status, ...((await response.json()) as object) };
    };
    expect(await ready()).toMatchObject({ status: 200, ready: true });
    board.engine.setState('starting');
    expect(await ready()).toMatchObject({ status: 503, model: false, broker: true });
    expect(await (await fetch(`${board.url}/healthz`)).json()).toEqual({ status: 'ok' });
  });
});

describe('a stop', () => {
  it('finishes what runs, and tells what waits and what comes that the node is draining', async () => {
    board = await startBoard({ tokenMs: 100 });
    const running = board.chat();
    await until(() => board.engine.requests.length === 1, 'the prompt to run');
    const waiting = board.chat({ stream: true });
    await until(() => board.journal.counts().depth === 2, 'the second prompt');
    board.gateway.setDraining(true);
    const late = await board.chat();
    expect(late.headers.get('retry-after')).toBe('5');
    expect(await errorOf(late)).toMatchObject({ status: 503, code: 'draining' });
    await board.pipeline.stop(5000);
    await board.gateway.close(1000);
    expect((await running).status).toBe(200);
    expect(await errorOf(await waiting)).toMatchObject({ status: 503, code: 'draining' });
    await expect(fetch(`${board.url}/healthz`)).rejects.toThrow('fetch failed');
  });

  it('does not wait for a reader that never reads, and frees the port', async () => {
    board = await startBoard({ answer: () => 'wörter '.repeat(40_000) });
    const socket = connect(board.port, '127.0.0.1');
    const body = '{"messages":[{"role":"user","content":"x"}],"stream":true,"max_tokens":1000000}';
    socket.pause();
    socket.write(
      'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
    );
    await until(() => board.pipeline.totals().completed === 1, 'the answer');
    await board.gateway.close(50);
    const again = await startBoard({ http: { port: board.port } });
    expect(again.port).toBe(board.port);
    await again.stop();
    socket.destroy();
  });

  it('names the setting when the port is taken', async () => {
    board = await startBoard();
    await expect(startBoard({ http: { port: board.port } })).rejects.toThrow(/^http\.port: /);
  });
});
