import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Overview, SeriesResponse } from '../../src/protocol/fleet/index.ts';
import { freePort, startMosquitto } from '../../test/fakes/brokers.ts';
import { startPostgres } from '../../test/fakes/postgres.ts';
import {
  metric,
  type Server,
  type Simulator,
  startServer,
  startSimulator,
  until,
  wait,
} from './processes.ts';

/** Boards per simulator process: one core holds about so many with reports every ten seconds. */
const BOARDS_PER_PROCESS = 2500;

/** What docs/fleet.md tells to set for more than a thousand boards. */
const FOR_MANY = ['max_inflight_messages 1000', 'max_queued_messages 100000'];

const percentile = (values: number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? 0;

type Place = { broker: Awaited<ReturnType<typeof startMosquitto>>; folder: string };

async function withPlace<T>(config: string[], body: (place: Place) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'twowatt-bench-fleet-'));
  const broker = await startMosquitto({ config });
  try {
    return await body({ broker, folder });
  } finally {
    await broker.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function startBoards(broker: string, boards: number, args: string[]): Simulator[] {
  const processes = Math.ceil(boards / BOARDS_PER_PROCESS);
  return Array.from({ length: processes }, (_, i) => {
    const count = Math.min(BOARDS_PER_PROCESS, boards - i * BOARDS_PER_PROCESS);
    return startSimulator(broker, [
      '--boards',
      String(count),
      '--from',
      String(1 + i * BOARDS_PER_PROCESS),
      ...args,
    ]);
  });
}
const sum = (all: Simulator[], key: 'connected' | 'reported') =>
  all.reduce((total, each) => total + each.figures()[key], 0);
const overviewOf = async (server: Server) =>
  (await (await fetch(`${server.url}/api/overview`)).json()) as Overview;

/** Rows as a page gets them: how old each is on arrival. */
async function listen(url: string, ages: number[], signal: AbortSignal): Promise<void> {
  const response = await fetch(`${url}/api/events`, { signal });
  let rest = '';
  for await (const chunk of response.body ?? []) {
    rest += Buffer.from(chunk as Uint8Array).toString();
    const events = rest.split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const data = /event: boards\ndata: (.*)/.exec(event)?.[1];
      if (data === undefined) continue;
      const { columns, rows } = JSON.parse(data) as { columns: string[]; rows: unknown[][] };
      const seen = columns.indexOf('seen_ms');
      for (const row of rows) if (row[seen] !== null) ages.push(Date.now() - Number(row[seen]));
    }
  }
}

/** Many boards, each reporting every ten seconds, with one page open. */
export function benchLoad(boards: number, seconds: number) {
  return withPlace(FOR_MANY, async ({ broker, folder }) => {
    const server = await startServer(broker.url, folder, await freePort());
    const simulators = startBoards(broker.url, boards, ['--connect-rate', '100']);
    const ready = await until(() => sum(simulators, 'connected') >= boards, 240_000);
    await wait(12_000);
    const ages: number[] = [];
    const abort = new AbortController();
    const page = listen(server.url, ages, abort.signal).catch(() => {});
    const [before, storedBefore] = [
      server.usage(),
      await metric(server.url, 'samples_stored_total'),
    ];
    const began = performance.now();
    let peakMb = 0;
    while (performance.now() - began < seconds * 1000) {
      peakMb = Math.max(peakMb, server.usage().rssMb);
      await wait(1000);
    }
    const measuredS = (performance.now() - began) / 1000;
    const [after, storedAfter] = [server.usage(), await metric(server.url, 'samples_stored_total')];
    abort.abort();
    await page;
    const listBegan = performance.now();
    const list = await (await fetch(`${server.url}/api/boards?view=rows`)).arrayBuffer();
    const listMs = performance.now() - listBegan;
    await Promise.all(simulators.map((each) => each.stop()));
    const reported = sum(simulators, 'reported');
    await until(async () => (await metric(server.url, 'samples_stored_total')) >= reported, 20_000);
    const stored = await metric(server.url, 'samples_stored_total');
    await server.end('SIGTERM');
    return {
      boards,
      all_connected: ready,
      messages_per_s: Math.round((storedAfter - storedBefore) / measuredS),
      server_cores: Math.round(((after.cpuS - before.cpuS) / measuredS) * 100) / 100,
      server_peak_mb: Math.round(peakMb),
      reported,
      stored,
      update_to_page_p50_ms: percentile(ages, 0.5),
      update_to_page_p95_ms: percentile(ages, 0.95),
      rows_list_kb: Math.round(list.byteLength / 1024),
      rows_list_ms: Math.round(listMs),
    };
  });
}

/** How long until a board that hangs is shown as offline. */
export function benchOffline(keepaliveS: number) {
  return withPlace([], async ({ broker, folder }) => {
    const server = await startServer(broker.url, folder, await freePort());
    const { startSimulation } = await import('../../src/fleet/index.ts');
    const { createSystemClock } = await import('../../src/core/index.ts');
    const simulation = startSimulation({
      url: broker.url,
      base: 'twowatt/v1',
      boards: 20,
      from: 1,
      prefix: 'sim',
      periodS: 2,
      keepaliveS,
      connectPerS: 100,
      faults: 'none',
      days: 0,
      compress: 1,
      seed: 1,
      clock: createSystemClock(),
    });
    await until(async () => (await overviewOf(server)).boards.online === 20, 30_000);
    const began = performance.now();
    for (const board of simulation.boards.slice(0, 10)) board.freeze();
    await until(async () => (await overviewOf(server)).boards.offline > 0, 120_000);
    const first = (performance.now() - began) / 1000;
    await until(async () => (await overviewOf(server)).boards.offline === 10, 120_000);
    const last = (performance.now() - began) / 1000;
    await simulation.stop();
    await server.end('SIGTERM');
    return {
      keepalive_s: keepaliveS,
      limit_s: 1.5 * keepaliveS + 5,
      first_shown_s: Math.round(first * 10) / 10,
      last_shown_s: Math.round(last * 10) / 10,
    };
  });
}

/** The broker dies and comes back: every board reconnects at once. */
export function benchStorm(boards: number) {
  return withPlace(FOR_MANY, async ({ broker, folder }) => {
    const server = await startServer(broker.url, folder, await freePort());
    const simulators = startBoards(broker.url, boards, ['--connect-rate', '2500']);
    const online = () =>
      until(async () => {
        const { boards: counts, broker: link } = await overviewOf(server);
        return link.connected && counts.online === boards;
      }, 240_000);
    const firstTime = await online();
    await broker.kill();
    await until(async () => !(await overviewOf(server)).broker.connected, 60_000);
    await broker.start();
    const began = performance.now();
    // What the server shows was true before; all connections must be new ones.
    await until(() => sum(simulators, 'connected') < boards, 10_000);
    await until(() => sum(simulators, 'connected') >= boards, 240_000);
    const again = await online();
    const tookS = (performance.now() - began) / 1000;
    await Promise.all(simulators.map((each) => each.stop()));
    await server.end('SIGTERM');
    return {
      boards,
      all_right: firstTime && again,
      all_right_after_s: Math.round(tookS * 10) / 10,
    };
  });
}

async function longestGap(server: Server, boards: number, fromMs: number): Promise<number> {
  let longest = 0;
  for (let i = 1; i <= boards; i += Math.ceil(boards / 20)) {
    const node = `sim-${String(i).padStart(5, '0')}`;
    const { t_ms: times } = (await (
      await fetch(`${server.url}/api/boards/${node}/series?fields=queue.depth&from=${fromMs}`)
    ).json()) as SeriesResponse;
    for (const [index, time] of times.entries()) {
      if (index > 0) longest = Math.max(longest, time - (times[index - 1] ?? time));
    }
  }
  return longest;
}

/** Killed without warning and started again; with `servers` 2 on PostgreSQL, one of them. */
export function benchRestart(boards: number, servers: 1 | 2) {
  return withPlace(FOR_MANY, async ({ broker, folder }) => {
    const cluster = servers === 2 ? await startPostgres() : undefined;
    const database = await cluster?.database();
    const settings = (id: string) =>
      database === undefined
        ? [`fleet.server_id=${id}`]
        : [`fleet.server_id=${id}`, `fleet.store=${database}`, 'fleet.share=fleet'];
    let victim = await startServer(broker.url, join(folder, 'a'), await freePort(), settings('a'));
    const other =
      servers === 2
        ? await startServer(broker.url, join(folder, 'b'), await freePort(), settings('b'))
        : undefined;
    const fromMs = Date.now();
    const simulators = startBoards(broker.url, boards, ['--rate', '1']);
    await until(() => sum(simulators, 'connected') >= boards, 60_000);
    await wait(10_000);
    await victim.end('SIGKILL');
    await wait(10_000);
    const duringGap = other === undefined ? null : await longestGap(other, boards, fromMs);
    victim = await startServer(broker.url, join(folder, 'a'), await freePort(), settings('a'));
    await wait(10_000);
    await Promise.all(simulators.map((each) => each.stop()));
    const reported = sum(simulators, 'reported');
    await wait(5000);
    const gap = await longestGap(victim, boards, fromMs);
    await victim.end('SIGTERM');
    await other?.end('SIGTERM');
    await cluster?.close();
    return {
      servers,
      boards,
      report_every_s: 1,
      down_s: 10,
      reported,
      longest_gap_while_down_s: duringGap === null ? null : Math.round(duringGap / 100) / 10,
      longest_gap_after_s: Math.round(gap / 100) / 10,
    };
  });
}
