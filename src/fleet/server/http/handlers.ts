import * as v from 'valibot';
import { newId, processCpuMs, TwowattError } from '../../../core/index.ts';
import {
  acknowledgeSchema,
  actionSchema,
  alertRuleSchema,
  type AlertRule,
  BOARD_COLUMNS,
  type BoardRecord,
  changeUserSchema,
  type FleetRoute,
  isSeriesField,
  loginSchema,
  newUserSchema,
  rolloutSchema,
  type SessionResponse,
  SERIES_FIELD_NAMES,
  settingsSchema,
} from '../../../protocol/fleet/index.ts';
import type { Verb } from '../../../protocol/index.ts';
import type { FleetParts } from '../parts.ts';
import { fleetMetricsText } from '../metrics.ts';
import { toRow } from './events.ts';
import { cookieOf, SESSION_COOKIE, type Who } from './who.ts';
import type { Access } from './who.ts';

export type Asked = {
  who: Who;
  params: Record<string, string>;
  query: Record<string, string | undefined>;
  body: unknown;
  headers: Record<string, string | string[] | undefined>;
  address: string;
  /** The connection itself is protected, so cookies may insist on it. */
  secure: boolean;
};

export type Answer =
  | { body: unknown; status?: number; headers?: Record<string, string> }
  | { text: string; type: string; status?: number }
  | { stream: { since: string | undefined } };

export type Handlers = Record<FleetRoute, (asked: Asked) => Promise<Answer>>;

const bad = (param: string, text: string) =>
  new TwowattError('invalid_request', `${param}: ${text}`, { param });

/** A body that fits its schema; `invalid_request` with the field's name otherwise. */
function read<Schema extends v.GenericSchema>(
  schema: Schema,
  body: unknown,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, body ?? {});
  if (result.success) return result.output;
  const [issue] = result.issues;
  const param = v.getDotPath(issue) ?? 'body';
  throw bad(param, issue.expected === 'never' ? 'this field is not known' : issue.message);
}

function readNumber(
  asked: Asked,
  name: string,
  standard: number,
  low: number,
  high: number,
): number {
  const given = asked.query[name];
  if (given === undefined || given === '') return standard;
  const value = Number(given);
  if (Number.isFinite(value) && value >= low && value <= high) return value;
  throw bad(name, `expected a number from ${low} to ${high}`);
}

const sortByNode = (boards: BoardRecord[]) =>
  boards.sort((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : 0));

const LATEST_MS = 8.64e15;
const HOUR_MS = 3_600_000;
/** Tries to log in, for one address and for one user. */
const SLOW_DOWN = 'too many tries to log in';

/** What each route answers. Roles and CSRF tokens are checked before, in ./app.ts, by the table of routes. */
export function createHandlers(parts: FleetParts, access: Access): Handlers {
  const { registry, store, alerts, actions, rollouts, accounts, requests, clock } = parts;

  const board = (asked: Asked): BoardRecord => {
    const found = registry.board(asked.params['node'] ?? '');
    if (found !== undefined) return found;
    throw bad('node', 'there is no board of this name');
  };
  const audit = (asked: Asked, what: string, text: string, detail: unknown = null) =>
    store.appendAudit({
      at_ms: clock.wallMs(),
      user: asked.who.user ?? '',
      from: asked.address,
      what,
      text,
      detail,
    });
  const askBoard = async (asked: Asked, verb: Verb, args: Record<string, unknown> = {}) => {
    const { node, status } = board(asked);
    if (status === 'offline') {
      throw new TwowattError('expired', `${node} is offline`, { retryAfterMs: 60_000 });
    }
    const outcome = await requests.send(node, verb, args);
    if (outcome.status === 'ok') return { node, ...(outcome.data as object) };
    if (outcome.status === 'error') throw TwowattError.fromBody(outcome.error);
    throw new TwowattError('expired', `${node} did not answer in time`);
  };
  const session = async (who: Who): Promise<SessionResponse> => ({
    user: who.user,
    role: who.role,
    csrf: who.key === null ? null : await accounts.csrf(who.key),
    login_required: await access.loginRequired(),
    via: who.via,
    read_only:
      who.via === 'proxy' || (await accounts.any())
        ? null
        : 'nothing can be changed until there is a user: twowatt fleet user add NAME --role admin',
    version: parts.version,
  });
  const cookie = (value: string, secure: boolean, maxAgeS: number) => ({
    'set-cookie': `${SESSION_COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeS}${secure ? '; Secure' : ''}`,
  });
  const range = (asked: Asked) => {
    const toMs = readNumber(asked, 'to', clock.wallMs(), 0, LATEST_MS);
    const fromMs = readNumber(asked, 'from', toMs - HOUR_MS, 0, LATEST_MS);
    if (fromMs >= toMs) throw bad('from', 'expected a time before `to`');
    return { fromMs, toMs, stepMs: readNumber(asked, 'step', 0, 0, LATEST_MS) };
  };
  const limit = (asked: Asked, standard = 100) =>
    Math.floor(readNumber(asked, 'limit', standard, 1, 1000));
  const saveRule = async (asked: Asked, id: string): Promise<AlertRule> => {
    const rule = read(alertRuleSchema, asked.body);
    const before = (await alerts.rules()).find((known) => known.id === id);
    if (rule.webhook_url !== null && rule.webhook_url !== before?.webhook_url) {
      // The server would send to wherever it says.
      await access.require(asked.who, 'admin');
    }
    const saved: AlertRule = {
      ...rule,
      id,
      created_by: before?.created_by ?? asked.who.user ?? '',
      updated_ms: clock.wallMs(),
    };
    await alerts.saveRule(saved);
    await audit(asked, 'rule', `saved the rule ${rule.name}`, saved);
    return saved;
  };

  return {
    'GET /api/session': async ({ who }) => ({ body: await session(who) }),
    'POST /api/login': async (asked) => {
      const { user, password } = read(loginSchema, asked.body);
      for (const key of [`from ${asked.address}`, `user ${user}`]) {
        const waitMs = parts.loginLimiter.take(key);
        if (waitMs !== null)
          throw new TwowattError('rate_limited', SLOW_DOWN, { retryAfterMs: waitMs });
      }
      const token = await accounts.login(user, password);
      const found = token === undefined ? undefined : await accounts.session(token);
      if (token === undefined || found === undefined) {
        await audit(asked, 'login_failed', `somebody tried to log in as ${user}`);
        throw new TwowattError('unauthorized', 'user or password are wrong');
      }
      const who: Who = { user: found.user, role: found.role, key: found.key, via: 'password' };
      await audit({ ...asked, who }, 'login', `${found.user} logged in`);
      return { body: await session(who), headers: cookie(token, asked.secure, 43_200) };
    },
    'POST /api/logout': async (asked) => {
      const token = cookieOf(asked.headers);
      if (token !== undefined) await accounts.logout(token);
      return { body: {}, headers: cookie('', asked.secure, 0) };
    },

    'GET /api/overview': async () => ({ body: parts.overview() }),
    'GET /api/overview/series': async (asked) => ({ body: await store.fleetSeries(range(asked)) }),
    'GET /api/boards': async (asked) => {
      const boards = sortByNode(registry.boards());
      const head = { server_ms: clock.wallMs(), seq: registry.seq() };
      return asked.query['view'] === 'rows'
        ? { body: { ...head, columns: BOARD_COLUMNS, rows: boards.map(toRow) } }
        : { body: { ...head, boards } };
    },
    'GET /api/boards/:node': async (asked) => ({ body: board(asked) }),
    'GET /api/boards/:node/series': async (asked) => {
      const { node } = board(asked);
      const names = (asked.query['fields'] ?? '').split(',').filter((name) => name !== '');
      const wrong = names.find((name) => !isSeriesField(name));
      if (wrong !== undefined || names.length === 0) {
        throw bad('fields', `expected some of ${SERIES_FIELD_NAMES.join(', ')}, with commas`);
      }
      return {
        body: await store.series({ node, fields: names.filter(isSeriesField), ...range(asked) }),
      };
    },
    'GET /api/boards/:node/decisions': async (asked) => ({
      body: await askBoard(asked, 'decisions', { limit: limit(asked, 50) }),
    }),
    'GET /api/boards/:node/config': async (asked) => ({
      body: await askBoard(asked, 'config.get'),
    }),
    'GET /api/boards/:node/models': async (asked) => ({
      body: await askBoard(asked, 'model.list'),
    }),
    'DELETE /api/boards/:node': async (asked) => {
      const { node, status } = board(asked);
      if (status !== 'offline' && status !== 'unknown') {
        throw bad('node', `${node} is ${status}; only boards that are offline can be forgotten`);
      }
      await parts.forget(node);
      await audit(asked, 'forget', `forgot the board ${node}`);
      return { body: {} };
    },
    'GET /api/events': async ({ query, headers }) => {
      const last = headers['last-event-id'];
      return { stream: { since: typeof last === 'string' ? last : query['since'] } };
    },

    'GET /api/alerts': async (asked) => {
      const state = asked.query['state'] ?? 'firing';
      if (state !== 'firing' && state !== 'resolved' && state !== 'all') {
        throw bad('state', 'expected one of firing, resolved, all');
      }
      return { body: { alerts: await alerts.list(state, limit(asked, 500)) } };
    },
    'POST /api/alerts/:id/acknowledge': async (asked) => {
      const { note } = read(acknowledgeSchema, asked.body);
      const alert = await alerts.acknowledge(asked.params['id'] ?? '', asked.who.user ?? '', note);
      await audit(asked, 'acknowledge', `acknowledged ${alert.rule_name} on ${alert.node}`);
      return { body: alert };
    },
    'GET /api/alert-rules': async () => ({ body: { rules: await alerts.rules() } }),
    'POST /api/alert-rules': async (asked) => ({
      status: 201,
      body: await saveRule(asked, newId()),
    }),
    'PUT /api/alert-rules/:id': async (asked) => {
      const id = asked.params['id'] ?? '';
      if (!(await alerts.rules()).some((rule) => rule.id === id))
        throw bad('id', 'there is no such rule');
      return { body: await saveRule(asked, id) };
    },
    'DELETE /api/alert-rules/:id': async (asked) => {
      const id = asked.params['id'] ?? '';
      if (!(await alerts.deleteRule(id))) throw bad('id', 'there is no such rule');
      await audit(asked, 'rule', `deleted the rule ${id}`);
      return { body: {} };
    },

    'GET /api/actions': async (asked) => ({ body: { actions: await actions.list(limit(asked)) } }),
    'GET /api/actions/:id': async (asked) => {
      const found = await actions.get(asked.params['id'] ?? '');
      if (found === undefined) throw bad('id', 'there is no such action');
      return { body: found };
    },
    'POST /api/actions': async (asked) => {
      const input = read(actionSchema, asked.body);
      const action = await actions.start(input, asked.who.user ?? '');
      const text = `${input.verb} on ${action.results.length} boards`;
      await audit(asked, 'action', text, {
        id: action.id,
        verb: input.verb,
        args: input.args,
        boards: input.boards,
      });
      return { status: 202, body: action };
    },
    'GET /api/rollouts': async (asked) => ({
      body: { rollouts: await rollouts.list(limit(asked)) },
    }),
    'GET /api/rollouts/:id': async (asked) => {
      const found = await rollouts.get(asked.params['id'] ?? '');
      if (found === undefined) throw bad('id', 'there is no such roll-out');
      return { body: found };
    },
    'POST /api/rollouts': async (asked) => {
      const input = read(rolloutSchema, asked.body);
      const rollout = await rollouts.start(input, asked.who.user ?? '');
      const boards = rollout.waves.reduce((sum, wave) => sum + wave.boards.length, 0);
      await audit(
        asked,
        'rollout',
        `${input.verb} on ${boards} boards in ${rollout.waves.length} waves`,
        {
          id: rollout.id,
          args: input.args,
        },
      );
      return { status: 202, body: rollout };
    },
    'POST /api/rollouts/:id/abort': async (asked) => {
      const rollout = await rollouts.abort(asked.params['id'] ?? '', asked.who.user ?? '');
      await audit(asked, 'rollout', `aborted the roll-out ${rollout.id}`);
      return { body: rollout };
    },
    'POST /api/rollouts/:id/resume': async (asked) => {
      const rollout = await rollouts.resume(asked.params['id'] ?? '', asked.who.user ?? '');
      await audit(asked, 'rollout', `resumed the roll-out ${rollout.id}`);
      return { body: rollout };
    },

    'GET /api/audit': async (asked) => {
      const beforeId = readNumber(
        asked,
        'before',
        Number.MAX_SAFE_INTEGER,
        1,
        Number.MAX_SAFE_INTEGER,
      );
      return { body: { entries: await store.audit({ limit: limit(asked), beforeId }) } };
    },
    'GET /api/users': async () => ({ body: { users: await accounts.users() } }),
    'POST /api/users': async (asked) => {
      const { name, role, password } = read(newUserSchema, asked.body);
      const user = await accounts.add(name, role, password);
      await audit(asked, 'user', `made the user ${name} (${role})`);
      return { status: 201, body: user };
    },
    'PUT /api/users/:name': async (asked) => {
      const change = read(changeUserSchema, asked.body);
      const user = await accounts.change(asked.params['name'] ?? '', change);
      await audit(asked, 'user', `changed ${user.name}: ${Object.keys(change).join(', ')}`);
      return { body: user };
    },
    'DELETE /api/users/:name': async (asked) => {
      const name = asked.params['name'] ?? '';
      if (!(await accounts.remove(name))) throw bad('name', 'there is no such user');
      await audit(asked, 'user', `deleted the user ${name}`);
      return { body: {} };
    },
    'GET /api/settings': async () => ({ body: await parts.settings() }),
    'PUT /api/settings': async (asked) => {
      const settings = read(settingsSchema, asked.body);
      await store.putDocument('setting', 'retention', settings, clock.wallMs());
      await audit(asked, 'settings', 'changed the retention', settings);
      return { body: settings };
    },

    'GET /healthz': async () => ({ body: { status: 'ok' } }),
    'GET /readyz': async () => {
      const broker = parts.overview().broker.connected;
      return { status: broker ? 200 : 503, body: { ready: broker, broker } };
    },
    'GET /metrics': async () => ({
      type: 'text/plain; version=0.0.4; charset=utf-8',
      text: fleetMetricsText({
        version: parts.version,
        overview: parts.overview(),
        intake: parts.intake.figures(),
        storeBytes: await store.sizeBytes(),
        leads: parts.leads(),
        listeners: parts.events.listeners(),
        process: {
          residentBytes: process.memoryUsage.rss(),
          cpuS: processCpuMs() / 1000,
        },
      }),
    }),
  };
}
