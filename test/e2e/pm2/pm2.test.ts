import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startAedes, type TestBroker } from '../../fakes/brokers.ts';
import {
  connectDevice,
  type Device,
  killQuietly,
  NODE_ID,
  temporaryFolder,
  until,
} from '../harness.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const PM2 = join(ROOT, 'node_modules/.bin/pm2');
const BUILT = join(ROOT, 'dist/cli/main.js');
const possible = existsSync(PM2) && existsSync(BUILT);
if (!possible) {
  const missing = existsSync(PM2) ? 'a build (npm run build)' : 'the development dependency pm2';
  console.warn(`the test under pm2 is skipped: it needs ${missing}`);
}

type Process = {
  pid: number;
  pm2_env: {
    status: string;
    restart_time: number;
    pm_out_log_path: string;
    pm_err_log_path: string;
  };
};

const run = promisify(execFile);

// pm2's own commands take seconds each.
vi.setConfig({ testTimeout: 90_000 });

describe.skipIf(!possible)('ecosystem.config.cjs under a real pm2', () => {
  const folder = temporaryFolder();
  let broker: TestBroker;
  let device: Device;

  const pm2 = (...args: string[]) => program(PM2, args);
  const service = (...args: string[]) =>
    program(process.execPath, [join(ROOT, 'bin/twowatt.js'), 'service', ...args, '--manager=pm2']);

  /** pm2 with a home, and so a daemon, of its own. */
  async function program(file: string, args: string[], env: Record<string, string> = {}) {
    const { stdout } = await run(file, args, {
      cwd: ROOT,
      encoding: 'utf8',
      env: {
        // The shell's Node first: pm2 starts apps with the `node` that it finds.
        PATH: [dirname(process.execPath), dirname(PM2), process.env['PATH']].join(delimiter),
        HOME: folder.path,
        PM2_HOME: join(folder.path, 'pm2'),
        PM2_DISABLE_VERSION_CHECK: 'true',
        TWOWATT_NODE__ID: NODE_ID,
        TWOWATT_NODE__STATE_FOLDER: join(folder.path, 'state'),
        TWOWATT_MQTT__URL: broker.url,
        TWOWATT_ENGINE__THREADS: '1',
        TWOWATT_HTTP__PORT: '0',
        ...env,
      },
    });
    return stdout;
  }

  async function app(): Promise<Process> {
    const list = JSON.parse(await pm2('jlist')) as Process[];
    const [only] = list;
    if (only === undefined || list.length !== 1) throw new Error(`${list.length} apps`);
    return only;
  }

  async function answers(id: string): Promise<string> {
    await device.prompt({ id, messages: [{ role: 'user', content: '开灯' }] });
    const frame = await device.terminal(id);
    return frame.type === 'done' ? frame.text : frame.error.code;
  }

  beforeAll(async () => {
    broker = await startAedes();
    device = await connectDevice(broker.url, { protocolVersion: 4 });
  });
  afterAll(async () => {
    const pidFile = join(folder.path, 'pm2', 'pm2.pid');
    const god = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0;
    await pm2('kill').catch(() => killQuietly(god));
    await device.close();
    await broker.close();
    folder.remove();
  });

  it('is online only when the daemon says that it is ready', async () => {
    // With wait_ready, pm2 returns when the message has come.
    expect(await service('install')).toContain('`pm2 startup`');
    const { pm2_env: state } = await app();
    expect(state.status).toBe('online');
    // It had loaded its model and told the broker before pm2 said so.
    expect(device.messages(`twowatt/v1/${NODE_ID}/state`).at(-1)).toContain('"online"');
    expect(device.messages(`twowatt/v1/${NODE_ID}/info`).at(-1)).toContain('"twowatt-nano"');
    expect(await answers('first')).toBe('{"intent":"on","device":"light"}');
    const status = JSON.parse(await service('status', '--json')) as object;
    expect(status).toMatchObject({ manager: 'pm2', installed: true, running: true, restarts: 0 });
  });

  it('comes back after a kill -9, and the engine with it', async () => {
    const before = await app();
    process.kill(before.pid, 'SIGKILL');
    await until(async () => {
      const { pid, pm2_env: state } = await app();
      return state.status === 'online' && pid !== before.pid && state.restart_time === 1;
    }, 'pm2 to start it again');
    expect(await answers('second')).toBe('{"intent":"on","device":"light"}');
  });

  it('reads the configuration anew on SIGHUP, as the same process', async () => {
    const before = await app();
    await pm2('sendSignal', 'SIGHUP', 'twowatt');
    const log = before.pm2_env.pm_out_log_path;
    await until(() => readFileSync(log, 'utf8').includes('configuration read anew'), 'the reload');
    expect((await app()).pid).toBe(before.pid);
  });

  it('reloads gracefully: what runs is answered, what comes meanwhile too', async () => {
    const before = await app();
    const question = { messages: [{ role: 'user', content: '开灯' }] };
    await device.prompt({ id: 'running', stream: true, ...question });
    await until(() => device.frames('running').length > 0, 'the prompt to be accepted');
    const reloaded = pm2('reload', 'twowatt');
    await device.prompt({ id: 'meanwhile', ...question });
    await reloaded;
    expect((await app()).pid).not.toBe(before.pid);
    expect((await device.terminal('running')).type).toBe('done');
    expect((await device.terminal('meanwhile')).type).toBe('done');
  });

  it('drains on stop: the running prompt is answered, the node says offline', async () => {
    await device.prompt({
      id: 'last',
      stream: true,
      messages: [{ role: 'user', content: '开灯' }],
    });
    await until(() => device.frames('last').length > 0, 'the prompt to be accepted');
    await pm2('stop', 'twowatt');
    expect((await app()).pm2_env.status).toBe('stopped');
    expect((await device.terminal('last')).type).toBe('done');
    await until(
      () => device.messages(`twowatt/v1/${NODE_ID}/state`).at(-1)?.includes('offline') ?? false,
      'the state topic to say offline',
    );
    expect(device.messages(`twowatt/v1/${NODE_ID}/state`).at(-2)).toContain('"draining"');
  });

  it('does not start a wrong configuration again and again', async () => {
    await pm2('delete', 'twowatt');
    const wrong = { TWOWATT_MQTT__KEEPALIVE_S: 'soon' };
    const starting = program(PM2, ['start', 'ecosystem.config.cjs'], wrong).catch(() => '');
    // pm2 7 calls it `waiting restart` where a backoff is set, and does not start it all the same.
    await until(async () => {
      const [only] = JSON.parse(await pm2('jlist')) as Process[];
      return /stopped|waiting/.test(only?.pm2_env.status ?? '');
    }, 'pm2 to give up');
    await starting;
    expect(readFileSync((await app()).pm2_env.pm_err_log_path, 'utf8')).toContain(
      'mqtt.keepalive_s',
    );
    // The first delay is a tenth of a second.
    await new Promise((wake) => setTimeout(wake, 1000));
    expect(await app()).toMatchObject({ pid: 0, pm2_env: { restart_time: 0 } });
  });

  it('is taken out of the list again', async () => {
    await service('uninstall');
    expect(JSON.parse(await pm2('jlist'))).toEqual([]);
  });
});
