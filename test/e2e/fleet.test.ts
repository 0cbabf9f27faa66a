import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Simulation, SimulationOptions } from '../../src/fleet/index.ts';
import type {
  ActionRecord,
  AlertRecord,
  AuditResponse,
  BoardRecord,
  BoardsResponse,
  BoardStatus,
  Overview,
  RolloutRecord,
  SeriesResponse,
} from '../../src/protocol/fleet/index.ts';
import { type MosquittoBroker, mosquittoAvailable, startMosquitto } from '../fakes/brokers.ts';
import {
  addUsers,
  fleetFolder,
  type Login,
  PASSWORD,
  startTestBoards,
  startTestFleet,
  type TestFleet,
} from '../fakes/fleet.ts';

const PATIENCE = { timeout: 20_000, interval: 100 };

// Passwords are hashed at their real cost, and boards are waited for.
vi.setConfig({ testTimeout: 120_000 });

/** Simulated boards, a real broker, the real server; what an operator would do over the API. */
describe.skipIf(!mosquittoAvailable())('a fleet', () => {
  let broker: MosquittoBroker;
  let folder: ReturnType<typeof fleetFolder>;
  let fleet: TestFleet;
  let simulation: Simulation | undefined;
  /** What a broker retains for one test is nothing to the next. */
  let base = '';
  let tests = 0;
  const start = async (...set: string[]): Promise<void> => {
    fleet = await startTestFleet(folder.path, broker.url, [
      `mqtt.base_topic=${base}`,
      `fleet.server_id=${base}`,
      ...set,
    ]);
  };

  const simulate = (options: Partial<SimulationOptions> = {}): Simulation => {
    simulation = startTestBoards({ url: broker.url, base, boards: 5, ...options });
    return simulation;
  };
  const boards = async (): Promise<BoardRecord[]> =>
    (await fleet.get<BoardsResponse>('/api/boards')).boards;
  const untilStatus = (status: BoardStatus, count: number) =>
    expect
      .poll(
        async () =>
          (await boards()).filter((board) => board.status === status && board.telemetry !== null)
            .length,
        PATIENCE,
      )
      .toBe(count);

  beforeAll(async () => {
    broker = await startMosquitto();
  });
  afterAll(() => broker.close());
  beforeEach(() => {
    folder = fleetFolder();
    tests += 1;
    base = `test${tests}`;
  });
  afterEach(async () => {
    await simulation?.stop();
    simulation = undefined;
    await fleet.close();
    folder.remove();
  });

  it('shows every board with its last telemetry, its history, and the sums', async () => {
    await start();
    simulate();
    await untilStatus('online', 5);
    const [first] = await boards();
    expect(first).toMatchObject({ node: 'sim-00001', health: [], state: { state: 'online' } });
    expect(first?.telemetry?.power.board_w).toBeGreaterThan(0.5);
    expect(Math.abs(first?.clock_skew_ms ?? 1e9)).toBeLessThan(5000);
    const overview = await fleet.get<Overview>('/api/overview');
    expect(overview.boards.total).toBe(5);
    expect(Object.keys(overview.by_profile).length).toBeGreaterThan(1);
    await expect
      .poll(async () => {
        const series = await fleet.get<SeriesResponse>(
          '/api/boards/sim-00001/series?fields=thermal.soc_c,power.board_w',
        );
        return series.fields['thermal.soc_c']?.mean.filter((value) => value !== null).length ?? 0;
      }, PATIENCE)
      .toBeGreaterThan(2);
  });

  it('stores every message that a board was told is taken', async () => {
    await start();
    const playing = simulate({ boards: 20, periodS: 0.2 });
    await expect.poll(() => playing.figures().acknowledged, PATIENCE).toBeGreaterThan(500);
    await playing.stop();
    const { sent, acknowledged } = playing.figures();
    expect(acknowledged).toBe(sent);
    // Info, health, online and offline of each board are no telemetry.
    await expect
      .poll(async () => {
        const text = await (await fetch(`${fleet.url}/metrics`)).text();
        return Number(/^twowatt_fleet_samples_stored_total (\d+)$/m.exec(text)?.[1]);
      }, PATIENCE)
      .toBe(sent - 20 * 4);
  });

  it('shows a board that loses its power as offline, and as online when it is back', async () => {
    await start();
    const playing = simulate();
    await untilStatus('online', 5);
    playing.boards[0]?.cut();
    await expect.poll(async () => (await boards())[0]?.status, PATIENCE).toBe('offline');
    await untilStatus('online', 5);
  });

  it('shows a board that hangs as offline after its keepalive, one without telemetry as stale', async () => {
    await start('fleet.stale_after_s=2');
    const playing = simulate();
    await untilStatus('online', 5);
    playing.boards[1]?.freeze();
    await expect.poll(async () => (await boards())[1]?.status, PATIENCE).toBe('stale');
    await expect.poll(async () => (await boards())[1]?.status, PATIENCE).toBe('offline');
  });

  it('loses nothing that was sent while it was away', async () => {
    await start();
    const playing = simulate({ boards: 3, periodS: 0.25 });
    await untilStatus('online', 3);
    await fleet.close();
    const before = playing.figures().acknowledged;
    await expect.poll(() => playing.figures().acknowledged, PATIENCE).toBeGreaterThan(before + 30);
    await start();
    await untilStatus('online', 3);
    const gap = async () => {
      const { t_ms: times } = await fleet.get<SeriesResponse>(
        '/api/boards/sim-00001/series?fields=queue.depth',
      );
      return Math.max(...times.slice(1).map((t, index) => t - (times[index] ?? 0)));
    };
    await expect.poll(gap, PATIENCE).toBeLessThan(1500);
  });

  it('tells pages what changes, and goes on from what they have seen', async () => {
    await start();
    simulate();
    await untilStatus('online', 5);
    const { seq } = await fleet.get<BoardsResponse>('/api/boards');
    const abort = new AbortController();
    const response = await fetch(`${fleet.url}/api/events?since=${seq}`, { signal: abort.signal });
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString();
      if (/event: boards\n/.test(text) && /event: overview\n/.test(text)) break;
    }
    abort.abort();
    const data = /event: boards\ndata: (.*)\n/.exec(text)?.[1] ?? '{}';
    const batch = JSON.parse(data) as { columns: string[]; rows: unknown[][] };
    expect(batch.rows[0]?.[batch.columns.indexOf('node')]).toMatch(/^sim-0000/);
    const unknown = await fetch(`${fleet.url}/api/events`, {
      headers: { 'last-event-id': 'elsewhere-7' },
    });
    const reader = unknown.body?.getReader();
    let told = '';
    while (!told.includes('event: reset'))
      told += Buffer.from((await reader?.read())?.value ?? []).toString();
    await reader?.cancel();
  });

  it('can be looked at and not changed until there is a user', async () => {
    await start();
    const session = await fleet.get<{ role: string; read_only: string }>('/api/session');
    expect(session.role).toBe('viewer');
    expect(session.read_only).toContain('twowatt fleet user add');
    const action = { verb: 'drain', boards: { nodes: ['x'] } };
    expect((await fleet.ask('POST', '/api/actions', action)).status).toBe(401);
  });

  describe('with users', () => {
    let operator: Login;
    beforeEach(async () => {
      await addUsers(folder.path, { ada: 'operator', eve: 'viewer', root: 'admin' });
      await start('fleet.request_timeout_s=5');
      operator = await fleet.login('ada', PASSWORD);
    });
    const statuses = async (): Promise<(BoardStatus | undefined)[]> => {
      const { body } = await fleet.ask('GET', '/api/boards', undefined, operator);
      return (body as BoardsResponse).boards.map(({ status }) => status);
    };
    const until = (condition: () => Promise<boolean>) =>
      expect.poll(condition, PATIENCE).toBe(true);
    const allOnline = () =>
      until(async () => {
        const now = await statuses();
        return now.length === 5 && now.every((status) => status === 'online');
      });

    it('lets nobody look without a login, viewers not act, and no request without its token', async () => {
      expect((await fleet.ask('GET', '/api/boards')).status).toBe(401);
      expect((await fleet.ask('GET', '/healthz')).status).toBe(200);
      const viewer = await fleet.login('eve', PASSWORD);
      expect((await fleet.ask('GET', '/api/boards', undefined, viewer)).status).toBe(200);
      const action = { verb: 'drain', boards: { nodes: ['x'] } };
      expect((await fleet.ask('POST', '/api/actions', action, viewer)).status).toBe(401);
      const forged = { ...operator, csrf: 'forged' };
      expect((await fleet.ask('POST', '/api/actions', action, forged)).status).toBe(401);
      expect((await fleet.ask('GET', '/api/users', undefined, operator)).status).toBe(401);
      await fleet.ask('POST', '/api/logout', {}, viewer);
      expect((await fleet.ask('GET', '/api/boards', undefined, viewer)).status).toBe(401);
    });

    it('opens its metrics, and nothing else, to the token of Prometheus', async () => {
      await fleet.close();
      writeFileSync(join(folder.path, 'token'), 'scrape-me\n', { mode: 0o600 });
      await start(`fleet.metrics_token_file=${join(folder.path, 'token')}`);
      const status = async (path: string, token?: string) => {
        const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
        return (await fetch(`${fleet.url}${path}`, { headers })).status;
      };
      expect(await status('/metrics')).toBe(401);
      expect(await status('/metrics', 'guess')).toBe(401);
      expect(await status('/metrics', 'scrape-me')).toBe(200);
      expect(await status('/api/boards', 'scrape-me')).toBe(401);
    });

    it('slows down who guesses passwords', async () => {
      const tries = Array.from({ length: 14 }, () =>
        fleet.ask('POST', '/api/login', { user: 'root', password: 'guess' }),
      );
      const seen = new Set((await Promise.all(tries)).map(({ status }) => status));
      expect(seen).toEqual(new Set([401, 429]));
    });

    it('acts on boards, with a result for each, and writes it down', async () => {
      const playing = simulate();
      await allOnline();
      const { status, body } = await fleet.ask(
        'POST',
        '/api/actions',
        { verb: 'drain', boards: { nodes: ['sim-00001', 'sim-00002'] }, expected_boards: 2 },
        operator,
      );
      expect(status).toBe(202);
      const { id } = body as ActionRecord;
      const result = async () =>
        (await fleet.ask('GET', `/api/actions/${id}`, undefined, operator)).body as ActionRecord;
      await until(async () => (await result()).ended_ms !== null);
      expect((await result()).counts).toMatchObject({ ok: 2, error: 0, timeout: 0, pending: 0 });
      await until(
        async () => (await statuses()).filter((name) => name === 'draining').length === 2,
      );

      playing.boards[2]?.freeze();
      const mixed = (
        await fleet.ask(
          'POST',
          '/api/actions',
          {
            verb: 'governor.set',
            args: { budget_w: 3 },
            boards: { nodes: ['sim-00003', 'sim-00004'] },
          },
          operator,
        )
      ).body as ActionRecord;
      await until(async () => {
        const now = (await fleet.ask('GET', `/api/actions/${mixed.id}`, undefined, operator))
          .body as ActionRecord;
        return now.counts.ok === 1 && now.counts.timeout === 1;
      });
      const audit = (await fleet.ask('GET', '/api/audit', undefined, operator))
        .body as AuditResponse;
      expect(audit.entries[0]).toMatchObject({
        user: 'ada',
        what: 'action',
        text: 'governor.set on 2 boards',
      });
    });

    it('refuses an action whose boards are not those that were confirmed', async () => {
      simulate();
      await allOnline();
      const ask = (boardsWanted: object, expected?: number) =>
        fleet.ask(
          'POST',
          '/api/actions',
          { verb: 'ping', boards: boardsWanted, ...(expected && { expected_boards: expected }) },
          operator,
        );
      expect((await ask({})).status).toBe(400);
      expect((await ask({ nodes: ['nobody'] })).status).toBe(400);
      expect((await ask({ statuses: ['online'] }, 4)).status).toBe(400);
      expect((await ask({ statuses: ['online'] }, 5)).status).toBe(202);
    });

    it('rolls out in stages and halts at the first board that refuses', async () => {
      simulate();
      await allOnline();
      const rollOut = async (model: string) =>
        (
          await fleet.ask(
            'POST',
            '/api/rollouts',
            {
              verb: 'model.activate',
              args: { model },
              boards: { statuses: ['online'] },
              canary_share: 0.2,
              wave_share: 0.4,
              soak_s: 0,
            },
            operator,
          )
        ).body as RolloutRecord;
      const state = async (id: string) =>
        (await fleet.ask('GET', `/api/rollouts/${id}`, undefined, operator)).body as RolloutRecord;
      const good = await rollOut('ernie-4.5-0.3b-int8');
      expect(good.waves.map((wave) => wave.boards.length)).toEqual([1, 2, 2]);
      await until(async () => (await state(good.id)).state === 'done');
      expect((await state(good.id)).counts.ok).toBe(5);
      const bad = await rollOut('broken');
      await until(async () => (await state(bad.id)).state === 'halted');
      expect(await state(bad.id)).toMatchObject({
        counts: { error: 1, pending: 4 },
        problems: [{ node: 'sim-00001' }],
      });
      await fleet.ask('POST', `/api/rollouts/${bad.id}/abort`, {}, operator);
      expect((await state(bad.id)).state).toBe('aborted');
    });

    it('raises an alert once, tells a webhook when it begins and ends, and lets it be acknowledged', async () => {
      const received: AlertRecord[] = [];
      const hook = createServer((request, response) => {
        let text = '';
        request.on('data', (chunk: Buffer) => (text += chunk.toString()));
        request.on('end', () => {
          received.push(JSON.parse(text) as AlertRecord);
          response.end();
        });
      }).listen(0, '127.0.0.1');
      const admin = await fleet.login('root', PASSWORD);
      const playing = simulate();
      await allOnline();
      const rule = {
        name: 'board gone',
        condition: { kind: 'status', statuses: ['offline'] },
        for_s: 0,
        webhook_url: `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`,
      };
      // Where the server sends to is an administrator's affair.
      expect((await fleet.ask('POST', '/api/alert-rules', rule, operator)).status).toBe(401);
      expect((await fleet.ask('POST', '/api/alert-rules', rule, admin)).status).toBe(201);
      playing.boards[3]?.freeze();
      await until(async () => received.length === 1);
      playing.boards[3]?.thaw();
      expect(received[0]).toMatchObject({
        node: 'sim-00004',
        state: 'firing',
        rule_name: 'board gone',
      });
      const path = `/api/alerts/${received[0]?.id}/acknowledge`;
      const { body } = await fleet.ask('POST', path, { note: 'on my way' }, operator);
      expect(body).toMatchObject({ acknowledged_by: 'ada', note: 'on my way', state: 'firing' });
      await expect.poll(() => received.length, { timeout: 30_000 }).toBe(2);
      expect(received[1]).toMatchObject({ state: 'resolved', acknowledged_by: 'ada' });
      hook.close();
    });
  });
});
