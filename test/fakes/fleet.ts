import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/index.ts';
import { createSystemClock, silentLogger } from '../../src/core/index.ts';
import {
  createAccounts,
  openStore,
  type Simulation,
  type SimulationOptions,
  startFleet,
  startSimulation,
} from '../../src/fleet/index.ts';
import type { Role } from '../../src/protocol/fleet/index.ts';

export type TestFleet = {
  url: string;
  get<T>(path: string): Promise<T>;
  /** Status and body of any request; `as` sends that user's cookie and CSRF token. */
  ask(
    method: string,
    path: string,
    body?: unknown,
    as?: Login,
  ): Promise<{ status: number; body: never }>;
  login(user: string, password: string): Promise<Login>;
  close(): Promise<void>;
};
export type Login = { cookie: string; csrf: string };

export const PASSWORD = 'correct horse battery';

export function fleetFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'twowatt-fleet-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

const configOf = (folder: string, set: string[]) =>
  loadConfig({
    set: [`node.state_folder=${folder}`, 'fleet.port=0', 'node.id=fleet-test', ...set],
    env: {},
    homeFolder: folder,
  }).values;

/** Users made before the server starts, as `twowatt fleet user add` does. */
export async function addUsers(folder: string, roles: Record<string, Role>): Promise<void> {
  const clock = createSystemClock();
  const { fleet } = configOf(folder, []);
  const store = await openStore(fleet.store, silentLogger, () => clock.wallMs());
  const accounts = createAccounts(store, clock);
  for (const [name, role] of Object.entries(roles)) await accounts.add(name, role, PASSWORD);
  await store.close();
}

/** A real server on a free port of this machine. */
export async function startTestFleet(
  folder: string,
  brokerUrl: string,
  set: string[] = [],
  pageFolder?: string,
): Promise<TestFleet> {
  const server = await startFleet({
    config: configOf(folder, [`mqtt.url=${brokerUrl}`, ...set]),
    clock: createSystemClock(),
    logger: silentLogger,
    env: {},
    ...(pageFolder === undefined ? {} : { pageFolder }),
  });
  const ask: TestFleet['ask'] = async (method, path, body, as) => {
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(as === undefined ? {} : { cookie: as.cookie, 'x-csrf-token': as.csrf }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as never };
  };
  return {
    url: server.url,
    ask,
    async get(path) {
      const { status, body } = await ask('GET', path);
      if (status !== 200) throw new Error(`GET ${path}: ${status} ${JSON.stringify(body)}`);
      return body;
    },
    async login(user, password) {
      const response = await fetch(`${server.url}/api/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ user, password }),
      });
      const { csrf } = (await response.json()) as { csrf: string };
      const [cookie = ''] = (response.headers.get('set-cookie') ?? '').split(';');
      return { cookie, csrf };
    },
    close: () => server.close(),
  };
}

/** Simulated boards `sim-00001`, … without faults that report twice a second. */
export function startTestBoards(
  options: Pick<SimulationOptions, 'url' | 'base' | 'boards'> & Partial<SimulationOptions>,
): Simulation {
  return startSimulation({
    from: 1,
    prefix: 'sim',
    periodS: 0.5,
    keepaliveS: 5,
    connectPerS: 500,
    faults: 'none',
    days: 0,
    compress: 1,
    seed: 1,
    clock: createSystemClock(),
    ...options,
  });
}
