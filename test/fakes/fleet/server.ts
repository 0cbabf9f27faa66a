import { createReadStream, existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import * as v from 'valibot';
import {
  acknowledgeSchema,
  actionSchema,
  alertRuleSchema,
  BOARD_COLUMNS,
  boardColumns,
  type BoardRecord,
  type FleetSeriesResponse,
  loginSchema,
  rolloutSchema,
  type SessionResponse,
} from '../../../src/protocol/fleet/index.ts';
import { configExample, decisionsExample, modelsExample, seriesOf } from './answers.ts';
import { overviewOf } from './overview.ts';
import { createFakeFleet, type FakeFleet, type FakeFleetOptions } from './state.ts';

/** The policy that the page must work under; what breaks it fails the tests. */
export const PAGE_POLICY =
  "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'";

const PAGE = join(import.meta.dirname, '../../../dist/fleet/web');
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const CSRF = 'fake-csrf';
const BATCH_MS = 500;

class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export type FakeServer = {
  url: string;
  fleet: FakeFleet;
  /** Cuts every open stream; pages come back by themselves. */
  cutStreams(): void;
  /** Forgets what it sent, as a restarted server would. */
  forgetSequence(): void;
  /** While true, every request is refused. */
  setDown(down: boolean): void;
  close(): Promise<void>;
};

/** A fleet server made of plain objects, for the page's tests and bench: the real API, virtual boards. */
export async function startFakeFleet(options: FakeFleetOptions): Promise<FakeServer> {
  const fleet = createFakeFleet(options);
  const streams = new Set<ServerResponse>();
  let loggedIn = options.login !== true;
  let oldest = 0;
  let down = false;

  const session = (): SessionResponse => ({
    user: options.login === true && loggedIn ? 'op' : null,
    role: loggedIn ? 'operator' : null,
    csrf: loggedIn ? CSRF : null,
    login_required: options.login === true,
    via: options.login === true && loggedIn ? 'password' : 'none',
    read_only: options.readOnly ?? null,
    version: '0.1.0',
  });

  const boardOf = (node: string): BoardRecord => {
    const board = fleet.boards.get(node);
    if (board === undefined) throw new Refusal(404, 'invalid_request', `there is no board ${node}`);
    return board.record;
  };
  const nodesOf = (selection: { nodes?: string[] | undefined }, expected?: number): string[] => {
    const nodes = selection.nodes ?? [];
    if (expected !== undefined && expected !== nodes.length) {
      throw new Refusal(409, 'invalid_request', 'the selection has changed');
    }
    return nodes;
  };

  type Handler = (call: { params: string[]; query: URLSearchParams; body: unknown }) => unknown;
  const routes: [method: string, path: RegExp, handler: Handler][] = [
    ['GET', /^\/api\/session$/, session],
    [
      'POST',
      /^\/api\/login$/,
      ({ body }) => {
        const { user, password } = v.parse(loginSchema, body);
        if (user !== 'op' || password !== 'correct horse battery') {
          throw new Refusal(403, 'unauthorized', 'wrong user or password');
        }
        loggedIn = true;
        fleet.note('login', 'logged in');
        return session();
      },
    ],
    [
      'POST',
      /^\/api\/logout$/,
      () => {
        loggedIn = false;
        return {};
      },
    ],
    ['GET', /^\/api\/overview$/, () => overviewOf(fleet.records(), Date.now(), fleet.alerts.size)],
    ['GET', /^\/api\/overview\/series$/, ({ query }) => overviewSeries(fleet, query)],
    [
      'GET',
      /^\/api\/boards$/,
      () => ({
        server_ms: Date.now(),
        seq: String(fleet.seq()),
        columns: BOARD_COLUMNS,
        rows: fleet.records().map(rowOf),
      }),
    ],
    ['GET', /^\/api\/boards\/([^/]+)$/, ({ params: [node = ''] }) => boardOf(node)],
    [
      'GET',
      /^\/api\/boards\/([^/]+)\/series$/,
      ({ params: [node = ''], query }) =>
        seriesOf(boardOf(node), (query.get('fields') ?? '').split(','), rangeOf(query)),
    ],
    [
      'GET',
      /^\/api\/boards\/([^/]+)\/decisions$/,
      ({ params: [node = ''] }) => ({ node, decisions: decisionsExample(Date.now()) }),
    ],
    [
      'GET',
      /^\/api\/boards\/([^/]+)\/config$/,
      ({ params: [node = ''] }) => ({ node, settings: configExample }),
    ],
    [
      'GET',
      /^\/api\/boards\/([^/]+)\/models$/,
      ({ params: [node = ''] }) => ({
        node,
        ...modelsExample(boardOf(node).telemetry?.engine.model ?? ''),
      }),
    ],
    ['GET', /^\/api\/alerts$/, () => ({ alerts: [...fleet.alerts.values()] })],
    [
      'POST',
      /^\/api\/alerts\/([^/]+)\/acknowledge$/,
      ({ params: [id = ''], body }) => {
        const alert = fleet.alerts.get(id);
        if (alert === undefined) throw new Refusal(404, 'invalid_request', 'no such alert');
        const { note } = v.parse(acknowledgeSchema, body);
        const now = { ...alert, acknowledged_by: 'op', acknowledged_ms: Date.now(), note };
        fleet.alerts.set(id, now);
        fleet.note('acknowledge', `${alert.rule_name} on ${alert.node}`);
        fleet.tell('alert', now);
        return now;
      },
    ],
    ['GET', /^\/api\/alert-rules$/, () => ({ rules: [...fleet.rules.values()] })],
    ['POST', /^\/api\/alert-rules$/, ({ body }) => saveRule(fleet, fleet.newId('rule'), body)],
    [
      'PUT',
      /^\/api\/alert-rules\/([^/]+)$/,
      ({ params: [id = ''], body }) => saveRule(fleet, id, body),
    ],
    [
      'DELETE',
      /^\/api\/alert-rules\/([^/]+)$/,
      ({ params: [id = ''] }) => {
        fleet.rules.delete(id);
        return {};
      },
    ],
    ['GET', /^\/api\/actions$/, () => ({ actions: [...fleet.actions.values()].reverse() })],
    [
      'POST',
      /^\/api\/actions$/,
      ({ body }) => {
        const { verb, args, boards, expected_boards } = v.parse(actionSchema, body);
        return fleet.act(verb, args, nodesOf(boards, expected_boards));
      },
    ],
    ['GET', /^\/api\/rollouts$/, () => ({ rollouts: [...fleet.rollouts.values()].reverse() })],
    [
      'POST',
      /^\/api\/rollouts$/,
      ({ body }) => {
        const { boards, expected_boards, halt_on: _halt, ...plan } = v.parse(rolloutSchema, body);
        return fleet.rollOut(plan, nodesOf(boards, expected_boards));
      },
    ],
    [
      'POST',
      /^\/api\/rollouts\/([^/]+)\/(abort|resume)$/,
      ({ params: [id = '', what] }) => {
        const record = fleet.rollouts.get(id);
        if (record === undefined) throw new Refusal(404, 'invalid_request', 'no such roll-out');
        if (what === 'abort') {
          fleet.save({ ...record, state: 'aborted', ended_ms: Date.now(), soak_until_ms: null });
        } else {
          fleet.save({ ...record, state: 'running', reason: null, max_failures: Infinity });
          const next = record.waves.findIndex(({ state }) => state !== 'done');
          fleet.step(id, next < 0 ? record.waves.length : next);
        }
        return fleet.rollouts.get(id);
      },
    ],
    [
      'GET',
      /^\/api\/audit$/,
      ({ query }) => {
        const before = Number(query.get('before') ?? Infinity);
        return { entries: fleet.audit.filter(({ id }) => id < before).slice(0, 100) };
      },
    ],
  ];

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake');
    if (url.pathname === '/api/events') {
      openStream(url.searchParams, response);
      return;
    }
    if (!url.pathname.startsWith('/api/')) {
      sendFile(url.pathname, request, response);
      return;
    }
    if (down) throw new Refusal(503, 'internal', 'the server is being restarted');
    if (request.method !== 'GET' && !/^\/api\/login$/.test(url.pathname)) {
      if (request.headers['x-csrf-token'] !== CSRF) throw new Refusal(403, 'unauthorized', 'CSRF');
      if (options.readOnly !== undefined) throw new Refusal(403, 'unauthorized', options.readOnly);
    }
    if (!loggedIn && !/^\/api\/(session|login)$/.test(url.pathname)) {
      throw new Refusal(401, 'unauthorized', 'log in first');
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    for (const [method, pattern, handler] of routes) {
      const match = pattern.exec(url.pathname);
      if (match === null || method !== request.method) continue;
      const params = match.slice(1).map(decodeURIComponent);
      const body: unknown = text === '' ? {} : JSON.parse(text);
      const result = handler({ params, query: url.searchParams, body });
      send(response, 200, result);
      return;
    }
    throw new Refusal(404, 'invalid_request', `nothing answers ${url.pathname}`);
  }

  function openStream(query: URLSearchParams, response: ServerResponse): void {
    if (down) throw new Refusal(503, 'internal', 'the server is being restarted');
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    const write = (name: string, data: unknown): void => {
      response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
    };
    let since = Number(query.get('since') ?? fleet.seq());
    write('hello', { server_ms: Date.now(), seq: String(fleet.seq()), version: '0.1.0' });
    if (since < oldest) write('reset', { reason: 'the server was restarted' });
    const batches = setInterval(() => {
      const changed = fleet.changedSince(since);
      if (changed.length === 0) return;
      since = fleet.seq();
      write('boards', {
        seq: String(since),
        server_ms: Date.now(),
        columns: BOARD_COLUMNS,
        rows: changed.map(({ record }) => rowOf(record)),
        removed: [],
      });
    }, BATCH_MS);
    const listener: Parameters<typeof fleet.listeners.add>[0] = (name, data) => write(name, data);
    fleet.listeners.add(listener);
    streams.add(response);
    response.on('close', () => {
      clearInterval(batches);
      fleet.listeners.delete(listener);
      streams.delete(response);
    });
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      const refusal =
        error instanceof Refusal ? error : new Refusal(400, 'invalid_request', String(error));
      if (!response.headersSent) {
        const { code, message } = refusal;
        send(response, refusal.status, { error: { code, message, retryable: false } });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const perS = options.updatesPerS ?? 0;
  const stirring = perS > 0 ? setInterval(() => fleet.update(Math.ceil(perS / 4)), 250) : undefined;
  const summing = setInterval(() => {
    if (fleet.listeners.size > 0 && perS > 0) {
      fleet.tell('overview', overviewOf(fleet.records(), Date.now(), fleet.alerts.size));
    }
  }, 2000);

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fleet,
    cutStreams() {
      for (const stream of streams) stream.destroy();
    },
    forgetSequence() {
      oldest = fleet.seq() + 1;
      fleet.touch('');
    },
    setDown(now) {
      down = now;
    },
    async close() {
      clearInterval(stirring);
      clearInterval(summing);
      fleet.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function rowOf(record: BoardRecord): unknown[] {
  const columns = boardColumns(record);
  return BOARD_COLUMNS.map((name) => columns[name]);
}

function rangeOf(query: URLSearchParams) {
  return {
    from: Number(query.get('from')),
    to: Number(query.get('to')),
    step: Number(query.get('step') ?? 0),
  };
}

function overviewSeries(fleet: FakeFleet, query: URLSearchParams): FleetSeriesResponse {
  const { from, to, step } = rangeOf(query);
  const now = overviewOf(fleet.records(), Date.now(), 0);
  const t_ms: number[] = [];
  for (let at = from; at <= to; at += Math.max(1000, step)) t_ms.push(at);
  const around = (value: number, share: number) =>
    t_ms.map((ms) => value * (1 - share + share * Math.sin(ms / 900_000) * Math.cos(ms / 211_000)));
  return {
    from_ms: from,
    to_ms: to,
    step_ms: step,
    t_ms,
    online: around(now.boards.online, 0.01),
    offline: t_ms.map((ms) =>
      Math.round(now.boards.offline * (0.8 + 0.2 * Math.sin(ms / 700_000))),
    ),
    stale: t_ms.map((ms) => Math.round(now.boards.stale * (0.5 + 0.5 * Math.cos(ms / 500_000)))),
    watts: around(now.watts, 0.12),
    tokens_per_s: around(now.tokens_per_s, 0.18),
  };
}

function saveRule(fleet: FakeFleet, id: string, body: unknown) {
  const rule = {
    ...v.parse(alertRuleSchema, body),
    id,
    created_by: 'op',
    updated_ms: Date.now(),
  };
  fleet.rules.set(id, rule);
  fleet.note('rule', rule.name);
  return rule;
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}

function sendFile(path: string, request: IncomingMessage, response: ServerResponse): void {
  const file = join(PAGE, normalize(path === '/' ? '/index.html' : path));
  if (!file.startsWith(PAGE) || !existsSync(file)) throw new Refusal(404, 'invalid_request', path);
  const packed = /\bgzip\b/.test(String(request.headers['accept-encoding']));
  response.writeHead(200, {
    'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
    'content-security-policy': PAGE_POLICY,
    ...(packed ? { 'content-encoding': 'gzip' } : {}),
  });
  createReadStream(packed ? `${file}.gz` : file).pipe(response);
}
