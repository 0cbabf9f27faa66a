import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connectAsync, type IClientPublishOptions, type MqttClient } from 'mqtt';
import type { Frame, TerminalFrame } from '../../src/protocol/index.ts';

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');
/** What is shipped, made by `npm run build`; it starts in half the time of the sources. */
const BUILT = resolve(import.meta.dirname, '../../bin/twowatt.js');
/** V8's flags of the daemon, as it is shipped: what a test says of memory should hold for users. */
const DAEMON_FLAGS = (
  /DAEMON_FLAGS =\s+'([^']+)'/.exec(
    readFileSync(resolve(import.meta.dirname, '../../bin/twowatt.js'), 'utf8'),
  )?.[1] ?? ''
).split(' ');

export const NODE_ID = 'board';
export const BASE = 'twowatt/v1';

/** One cache of converted models for a whole test run: converting nano again would only cost time. */
const MODEL_CACHE = join(tmpdir(), `twowatt-test-models-${process.getuid?.() ?? 0}`);

export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'twowatt-e2e-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}

export type DaemonProcess = {
  pid: number;
  /** Everything that it wrote so far. */
  output(): string;
  running(): boolean;
  /** Where it serves HTTP, once it does. */
  httpUrl(timeoutMs?: number): Promise<string>;
  /** Process ids of its direct children. */
  children(): number[];
  /** The engine process, once there is one. */
  enginePid(timeoutMs?: number): Promise<number>;
  /** SIGKILL, as a power cut would; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>;
  exited: Promise<number | null>;
};

export function startDaemonProcess(options: {
  brokerUrl: string;
  stateFolder: string;
  set?: string[];
  env?: Record<string, string>;
  /** The built program instead of the sources. */
  built?: boolean;
  /** A program and its arguments that run the daemon in another environment, by exec. */
  through?: string[];
}): DaemonProcess {
  const settings = [
    `mqtt.url=${options.brokerUrl}`,
    `node.id=${NODE_ID}`,
    `node.state_folder=${options.stateFolder}`,
    `model.cache_path=${MODEL_CACHE}`,
    'engine.threads=1',
    'http.port=0',
    // The watts of this machine are guesses; what paces the tests should be the tests.
    'governor.budget_w=500',
    ...(options.set ?? []),
  ];
  const [program = process.execPath, ...args] = [
    ...(options.through ?? []),
    process.execPath,
    ...(options.built === true ? [BUILT] : [...DAEMON_FLAGS, MAIN]),
    'run',
    ...settings.flatMap((setting) => ['--set', setting]),
  ];
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOME: options.stateFolder, ...options.env },
  });
  return watch(child);
}

function watch(child: ChildProcess): DaemonProcess {
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exited = new Promise<number | null>((resolveExit) => {
    child.once('exit', (code) => resolveExit(code));
  });
  const pid = child.pid ?? 0;
  const children = () => childrenOf(pid);
  return {
    pid,
    output: () => output,
    running: () => child.exitCode === null && child.signalCode === null,
    children,
    async httpUrl(timeoutMs) {
      const listening = /listening on (http:[^"\s]+)/;
      await until(() => listening.test(output), 'HTTP', timeoutMs);
      return listening.exec(output)?.[1] ?? '';
    },
    async enginePid(timeoutMs) {
      await until(() => engineOf(pid) !== undefined, 'the engine process', timeoutMs);
      return engineOf(pid) ?? 0;
    },
    async kill() {
      const engine = engineOf(pid);
      child.kill('SIGKILL');
      await exited;
      // A real power cut takes the engine along; its own exit on disconnect is tested elsewhere.
      if (engine !== undefined) killQuietly(engine);
    },
    async stop() {
      child.kill('SIGTERM');
      return exited;
    },
    exited,
  };
}

export function killQuietly(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => {
      try {
        // Field 4 of stat is the parent; the name in field 2 may hold blanks, so count from its end.
        const stat = readFileSync(`/proc/${candidate}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
      } catch {
        return false;
      }
    });
}

function engineOf(pid: number): number | undefined {
  return childrenOf(pid).find((child) => {
    try {
      return /engine\/process\/main/.test(readFileSync(`/proc/${child}/cmdline`, 'utf8'));
    } catch {
      return false;
    }
  });
}

export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 30_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await new Promise((wake) => setTimeout(wake, 20));
  }
}

/** A device: publishes prompts and keeps every frame that comes back, in order, with its raw bytes. */
export type Device = {
  client: MqttClient;
  frames(id: string): Frame[];
  /** The raw payloads of terminal frames, copies included. */
  terminals(id: string): string[];
  terminal(id: string, timeoutMs?: number): Promise<TerminalFrame>;
  prompt(body: object, options?: IClientPublishOptions): Promise<void>;
  publish(topic: string, payload: string | Buffer, options?: IClientPublishOptions): Promise<void>;
  messages(topic: string): string[];
  close(): Promise<void>;
};

export async function connectDevice(
  brokerUrl: string,
  options: { protocolVersion?: 4 | 5; clientId?: string } = {},
): Promise<Device> {
  const client = await connectAsync(brokerUrl, {
    protocolVersion: options.protocolVersion ?? 5,
    clientId: options.clientId ?? `device-${Math.random().toString(16).slice(2)}`,
    // A device that outlives broker restarts keeps its subscriptions, as firmware should.
    clean: options.clientId === undefined,
    ...(options.protocolVersion === 4 || options.clientId === undefined
      ? {}
      : { properties: { sessionExpiryInterval: 3600 } }),
    reconnectPeriod: 100,
  });
  // Without it, delayed acknowledgements add 40 ms to back-to-back messages.
  if (client.stream instanceof Socket) client.stream.setNoDelay(true);
  const byId = new Map<string, Frame[]>();
  const raw = new Map<string, string[]>();
  const byTopic = new Map<string, string[]>();
  client.on('message', (topic, payload) => {
    const text = payload.toString();
    push(byTopic, topic, text);
    if (!topic.includes('/reply/') || topic.endsWith('/text')) return;
    const frame = JSON.parse(text) as Frame;
    push(byId, frame.id, frame);
    if (frame.type === 'done' || frame.type === 'error') {
      push(raw, frame.id, text);
    }
  });
  await client.subscribeAsync(`${BASE}/#`, { qos: 1 });
  const publish: Device['publish'] = async (topic, payload, publishOptions) => {
    await client.publishAsync(topic, payload, { qos: 1, ...publishOptions });
  };
  const terminals = (id: string) => raw.get(id) ?? [];
  return {
    client,
    frames: (id) => byId.get(id) ?? [],
    terminals,
    async terminal(id, timeoutMs) {
      await until(() => terminals(id).length > 0, `the answer to ${id}`, timeoutMs);
      return JSON.parse(terminals(id)[0] ?? '') as TerminalFrame;
    },
    prompt: (body, publishOptions) =>
      publish(`${BASE}/${NODE_ID}/prompt`, JSON.stringify(body), publishOptions),
    publish,
    messages: (topic) => byTopic.get(topic) ?? [],
    async close() {
      await client.endAsync(true);
    },
  };
}

function push<Value>(lists: Map<string, Value[]>, key: string, value: Value): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

/** Resolves when the daemon says that it is online and its engine is ready. */
export async function waitOnline(device: Device): Promise<void> {
  await until(
    () => device.messages(`${BASE}/${NODE_ID}/state`).at(-1)?.includes('"online"') ?? false,
    'the state topic to say online',
  );
}
