import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Board, errorOf, startBoard, until } from './fixture.ts';

let board: Board | undefined;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await board?.stop();
  board = undefined;
});

/** What comes back on a connection that sends `text` and waits. */
function talk(port: number, text: string): Promise<string> {
  return new Promise((done) => {
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(text));
    sockets.push(socket);
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
      if (answer.includes('\r\n\r\n')) socket.end();
    });
    socket.on('error', () => {});
    socket.on('close', () => done(answer));
  });
}

describe('limits of HTTP, by the figures of docs/security.md', () => {
  it('16 readers of events, the next is told to come again', async () => {
    board = await startBoard();
    const { url } = board;
    const abort = new AbortController();
    const open = await Promise.all(
      Array.from({ length: 16 }, () => fetch(`${url}/api/events`, { signal: abort.signal })),
    );
    expect(open.map(({ status }) => status)).toEqual(Array.from({ length: 16 }, () => 200));
    const refused = await errorOf(await fetch(`${url}/api/events`));
    expect(refused).toMatchObject({ status: 429, code: 'rate_limited' });
    abort.abort();
  });

  it('128 connections, the next is closed unheard', async () => {
    board = await startBoard();
    const { port } = board;
    // Those that came before the server was loaded are counted apart.
    await talk(port, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    let closed = 0;
    const made = Array.from(
      { length: 160 },
      () =>
        new Promise<void>((done) => {
          const socket = connect({ host: '127.0.0.1', port }, () => done());
          sockets.push(socket);
          socket.on('error', () => done());
          socket.on('close', () => (closed += 1));
        }),
    );
    await Promise.all(made);
    await until(() => closed >= 32, 'those over the bound to be closed');
    expect(closed).toBe(32);
    for (const socket of sockets.splice(0)) socket.destroy();
    const { url } = board;
    await until(() => closed === 160, 'all to be gone');
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('a body without a length is cut at the bound', async () => {
    board = await startBoard({ http: { maxPayloadBytes: 1000 } });
    const chunk = `3e8\r\n${'x'.repeat(1000)}\r\n`;
    const answer = await talk(
      board.port,
      'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n' +
        `Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('payload_too_large');
  });

  it.each([
    ['two lengths', 'Content-Length: 2\r\nContent-Length: 3\r\n'],
    ['a length and chunks', 'Content-Length: 2\r\nTransfer-Encoding: chunked\r\n'],
    ['a folded head', 'X: a\r\n b: c\r\nTransfer-Encoding: xchunked\r\n'],
    ['a bare line feed in the head', 'X: a\nContent-Length: 2\r\n'],
  ])('no second request is smuggled behind %s', async (_name, headers) => {
    board = await startBoard();
    const answer = await talk(
      board.port,
      'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
        `${headers}\r\n{}GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 (400|501) /);
    expect(answer).not.toContain('"status":"ok"');
  });

  it('names in paths are looked up, never walked', async () => {
    board = await startBoard();
    for (const path of [
      '/v1/models/..%2f..%2fetc%2fpasswd',
      '/v1/models/%00',
      `/v1/models/${'x'.repeat(5000)}`,
      '/v1/models/%E0%A4%A',
      '/v1/models/__proto__',
      '//evil.example/v1/models',
      '/v1/%2e%2e/metrics',
    ]) {
      const answer = await talk(
        board.port,
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      expect(answer, path).toMatch(/^HTTP\/1\.1 4\d\d /);
    }
  });
});
