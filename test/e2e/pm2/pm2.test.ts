import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

type Process = { pid: number; pm2_env: { status: string; restart_time: number } };

const run = promisify(execFile);

describe.skipIf(!possible)('ecosystem.config.cjs under a real pm2', () => {
  const folder = temporaryFolder();
  let broker: TestBroker;
  let device: Device;

  /** pm2 with a home, and so a daemon, of its own. */
  async function pm2(...args: string[]): Promise<string> {
    const { stdout } = await run(PM2, args, {
      cwd: ROOT,
      encoding: 'utf8',
      env: {
        // The shell's Node first: pm2 starts apps with the `node` that it finds.
        PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
        HOME: folder.path,
        PM2_HOME: join(folder.path, 'pm2'),
        PM2_DISABLE_VERSION_CHECK: 'true',
        TWOWATT_NODE__ID: NODE_ID,
        TWOWATT_NODE__STATE_FOLDER: join(folder.path, 'state'),
        TWOWATT_MQTT__URL: broker.url,
        TWOWATT_ENGINE__THREADS: '1',
        TWOWATT_HTTP__PORT: '0',
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
    // With wait_ready, `start` returns when the message has come.
    await pm2('start', 'ecosystem.config.cjs');
    const { pm2_env: state } = await app();
    expect(state.status).toBe('online');
    // It had loaded its model and told the broker before pm2 said so.
    expect(device.messages(`twowatt/v1/${NODE_ID}/state`).at(-1)).toContain('"online"');
    expect(device.messages(`twowatt/v1/${NODE_ID}/info`).at(-1)).toContain('"twowatt-nano"');
    expect(await answers('first')).toBe('{"intent":"on","device":"light"}');
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
});
