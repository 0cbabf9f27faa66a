import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../src/core/index.ts';
import { startEmbeddedBroker } from '../../src/gateway/mqtt/index.ts';

export type TestBroker = { url: string; port: number; close(): Promise<void> };

export type MosquittoBroker = TestBroker & {
  /** SIGKILL: what it had not saved is gone. */
  kill(): Promise<void>;
  /** SIGTERM, as a service manager would. */
  stop(): Promise<void>;
  /** Starts it again on the same port and folder. */
  start(): Promise<void>;
  folder: string;
};

export type MosquittoOptions = {
  /** Sessions and messages survive a restart: saved at every change. Default false. */
  persistence?: boolean;
  /** Lines for mosquitto.conf, before the listener. */
  config?: string[];
  /** Lines for the listener (TLS and the like). */
  listener?: string[];
  allowAnonymous?: boolean;
};

let available: boolean | undefined;

/** Whether Mosquitto can be started; says loudly when it cannot, and fails where CI demands it. */
export function mosquittoAvailable(): boolean {
  if (available === undefined) {
    available = spawnSync('mosquitto', ['-h'], { stdio: 'ignore' }).error === undefined;
    if (!available) {
      const message =
        'mosquitto is not installed: tests against it are skipped (apt install mosquitto)';
      if (process.env['CI']) throw new Error(message);
      console.warn(`\n*** ${message} ***\n`);
    }
  }
  return available;
}

/** A TCP port that nobody listens on; somebody else could take it before it is used. */
export async function freePort(): Promise<number> {
  const server: Server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  server.close();
  await once(server, 'close');
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

export async function startMosquitto(options: MosquittoOptions = {}): Promise<MosquittoBroker> {
  const folder = mkdtempSync(join(tmpdir(), 'twowatt-mosquitto-'));
  const port = await freePort();
  const config = join(folder, 'mosquitto.conf');
  writeFileSync(
    config,
    [
      // Started by root it would otherwise become `mosquitto`, who may not write the folder.
      `user ${userInfo().username}`,
      // By default it holds a message back until the kernel at the other end has confirmed the one
      // before: 40 ms between prompts that follow each other closely.
      'set_tcp_nodelay true',
      `persistence ${options.persistence === true}`,
      ...(options.persistence === true
        ? [`persistence_location ${folder}/`, 'autosave_on_changes true', 'autosave_interval 1']
        : []),
      `allow_anonymous ${options.allowAnonymous ?? true}`,
      ...(options.config ?? []),
      `listener ${port} 127.0.0.1`,
      ...(options.listener ?? []),
      '',
    ].join('\n'),
  );
  let child: ChildProcess | undefined;
  let output = '';

  const start = async (): Promise<void> => {
    const started = spawn('mosquitto', ['-c', config], { stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    started.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    started.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    while (!(await answers(port))) {
      if (started.exitCode !== null) throw new Error(`mosquitto ended: ${output}`);
      await new Promise((wake) => setTimeout(wake, 20));
    }
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    running.kill(signal);
    await once(running, 'exit');
  };

  await start();
  return {
    url: `mqtt://127.0.0.1:${port}`,
    port,
    folder,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    start,
    async close() {
      await end('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The daemon's own embedded broker: MQTT 3.1.1, nothing persistent. */
export function startAedes(port = 0): Promise<TestBroker> {
  return startEmbeddedBroker({ port, logger: silentLogger });
}
