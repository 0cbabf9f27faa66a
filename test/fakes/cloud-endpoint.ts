import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What the endpoint does to one call. `after` counts tokens of the answer that were sent before. */
export type Behaviour =
  | { kind: 'ok' }
  | { kind: 'status'; status: number; headers?: Record<string, string>; body?: string }
  /** Never goes on; before the headers without `after`. */
  | { kind: 'stall'; after?: number }
  /** Cuts the TCP connection with a reset; before the headers without `after`. */
  | { kind: 'reset'; after?: number }
  /** Says something wrong, and keeps the connection open. */
  | { kind: 'malformed'; after: number }
  | { kind: 'error_event'; after: number; error: unknown }
  /** Ends the body in good order, but too early. */
  | { kind: 'cut'; after: number }
  /** One byte at a time. */
  | { kind: 'slow_bytes'; byteMs: number }
  | { kind: 'usage'; usage: unknown }
  | { kind: 'no_done' }
  /** The answer as one JSON object although a stream was asked for. */
  | { kind: 'json' }
  | { kind: 'raw'; contentType: string; chunks: Uint8Array[] };

export type ReceivedCall = {
  url: string;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown> & { messages?: { content: string }[]; prompt?: string };
  /** What this call is charged: the prompt once it is accepted, each token once it is sent. */
  promptTokens: number;
  completionTokens: number;
  /** The client went away before the answer was over. */
  aborted: boolean;
};

export type FakeCloudEndpoint = {
  /** What goes into `base_url`. */
  baseUrl: string;
  port: number;
  calls: ReceivedCall[];
  /** Connections that were ever opened. */
  connections(): number;
  /** Decides each call, from 0; may be changed while it runs. */
  behave(decide: (call: number) => Behaviour): void;
  close(): Promise<void>;
};

export type FakeCloudOptions = {
  answer?: (prompt: string) => string[];
  /** Before the first token, and between tokens. */
  firstTokenMs?: () => number;
  tokenMs?: number;
  finishReason?: string;
};

/** Tokens of up to five letters: near enough to a real tokenizer to make a byte count wrong. */
export const countTokens = (text: string): number =>
  text.match(/\p{L}{1,5}|\p{N}|\S/gu)?.length ?? 0;

const promptOf = (body: ReceivedCall['body']): string =>
  body.prompt ?? (body.messages ?? []).map(({ content }) => content).join('\n');

async function readBody(request: IncomingMessage): Promise<ReceivedCall['body']> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as ReceivedCall['body'];
}

function usageOf(call: ReceivedCall): unknown {
  return {
    prompt_tokens: call.promptTokens,
    completion_tokens: call.completionTokens,
    total_tokens: call.promptTokens + call.completionTokens,
  };
}

/**
 * A server on this machine that speaks the chat-completions protocol over real HTTP, does to each call
 * what it is told, and keeps the books of what it would charge.
 */
export async function startCloudEndpoint(
  options: FakeCloudOptions = {},
): Promise<FakeCloudEndpoint> {
  const answer = options.answer ?? ((prompt: string) => ['You ', 'said ', `"${prompt}"`, '.']);
  const calls: ReceivedCall[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let decide: (call: number) => Behaviour = () => ({ kind: 'ok' });

  async function stream(call: ReceivedCall, behaviour: Behaviour, response: ServerResponse) {
    const raw = call.body.prompt !== undefined;
    const chunkOf = (fields: object, text?: string) =>
      `data: ${JSON.stringify({
        id: 'fake',
        object: raw ? 'text_completion' : 'chat.completion.chunk',
        choices: [
          { index: 0, ...(raw ? { text: text ?? '' } : { delta: { content: text } }), ...fields },
        ],
      })}\n\n`;
    const after = 'after' in behaviour ? behaviour.after : undefined;
    const send = async (text: string) => {
      if (behaviour.kind !== 'slow_bytes') return void response.write(text);
      for (const byte of Buffer.from(text)) {
        response.write(Uint8Array.of(byte));
        await delay(behaviour.byteMs);
      }
    };
    const tokens = answer(promptOf(call.body));
    const most = Number(call.body['max_tokens'] ?? Infinity);
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.flushHeaders();
    call.promptTokens = countTokens(promptOf(call.body)) + 5;
    await send(': waiting\r\n\r\n');
    await delay(options.firstTokenMs?.() ?? 0);
    for (const [at, token] of tokens.entries()) {
      if (at === after) return fault(behaviour, response, send);
      if (call.aborted) return;
      if (at >= most) break;
      call.completionTokens += countTokens(token);
      await send(chunkOf({ finish_reason: null }, token));
      if (options.tokenMs !== undefined) await delay(options.tokenMs);
    }
    await send(chunkOf({ finish_reason: options.finishReason ?? 'stop' }));
    const usage = behaviour.kind === 'usage' ? behaviour.usage : usageOf(call);
    if (behaviour.kind !== 'no_done') {
      await send(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
    }
    response.end();
  }

  async function fault(
    behaviour: Behaviour,
    response: ServerResponse,
    send: (text: string) => Promise<void>,
  ) {
    if (behaviour.kind === 'reset') {
      // What was written before must reach the client first.
      await delay(5);
      response.socket?.resetAndDestroy();
    }
    if (behaviour.kind === 'malformed') await send('data: {"choices":[{"delta":{"cont\n\n');
    if (behaviour.kind === 'error_event') {
      await send(`data: ${JSON.stringify({ error: behaviour.error })}\n\n`);
    }
    if (behaviour.kind === 'cut') response.end();
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    const call: ReceivedCall = {
      url: request.url ?? '',
      headers: request.headers,
      body,
      promptTokens: 0,
      completionTokens: 0,
      aborted: false,
    };
    const behaviour = decide(calls.push(call) - 1);
    response.on('close', () => (call.aborted = !response.writableFinished));
    if (behaviour.kind === 'status') {
      const { status, headers = {}, body: text = '' } = behaviour;
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
    } else if (behaviour.kind === 'raw') {
      response.writeHead(200, { 'content-type': behaviour.contentType });
      for (const chunk of behaviour.chunks) {
        response.write(chunk);
        await delay(1);
      }
      response.end();
    } else if (behaviour.kind === 'json') {
      const text = answer(promptOf(body)).join('');
      call.promptTokens = countTokens(promptOf(body)) + 5;
      call.completionTokens = countTokens(text);
      const message = { role: 'assistant', content: text };
      const choices = [{ index: 0, message, finish_reason: 'stop' }];
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ choices, usage: usageOf(call) }));
    } else if (behaviour.kind === 'reset' && behaviour.after === undefined) {
      response.socket?.resetAndDestroy();
    } else if (behaviour.kind !== 'stall' || behaviour.after !== undefined) {
      await stream(call, behaviour, response);
    }
  }

  const server = createServer((request, response) => {
    // A client that goes away while it is served is one of the things to try.
    serve(request, response).catch(() => response.destroy());
  });
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    port,
    calls,
    connections: () => connections,
    behave: (next) => (decide = next),
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
