import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Logger } from '../core/index.ts';
import type { FromEngine, ToEngine } from './messages.ts';

/** One engine process, from fork to exit. */
export type EngineProcess = {
  readonly pid: number | null;
  send(message: ToEngine): void;
  kill(): void;
  /** Closes the channel, upon which the process ends by itself after its present step. */
  disconnect(): void;
  /** Resolves once it is gone. */
  readonly gone: Promise<void>;
};

export type EngineProcessOptions = {
  logger: Logger;
  execArgv: string[];
  onMessage(message: FromEngine): void;
  onExit(how: string): void;
};

/** Run from sources the entry is TypeScript, from `dist` JavaScript; both lie beside this file. */
const ENTRY = fileURLToPath(
  new URL(`./process/main.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
);

export function startEngineProcess(options: EngineProcessOptions): EngineProcess {
  const { logger } = options;
  const child: ChildProcess = fork(ENTRY, [], {
    execArgv: options.execArgv,
    // Without the first, onnxruntime 1.30 reports home. The second keeps glibc from giving each
    // thread a heap of its own, which costs a megabyte; onnxruntime has its own arena.
    env: { ...process.env, ORT_DISABLE_TELEMETRY: '1', MALLOC_ARENA_MAX: '1' },
    serialization: 'json',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  // Without descriptors for the pipes there are no streams at all, whatever the types say.
  const streams: (typeof child.stdout | undefined)[] = [child.stdout, child.stderr];
  for (const stream of streams) {
    if (!stream) continue;
    createInterface({ input: stream }).on('line', (line) => {
      logger.warn({ pid: child.pid, line: line.slice(0, 2000) }, 'the engine process wrote');
    });
  }
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  let over = false;
  const end = (how: string) => {
    if (over) return;
    over = true;
    options.onExit(how);
    resolve();
  };
  child.on('message', (message) => {
    if (!over) options.onMessage(message as FromEngine);
  });
  child.on('exit', (code, signal) =>
    end(signal === null ? `exit code ${code}` : `signal ${signal}`),
  );
  // No process came to be (no memory, no descriptors): there will be no 'exit' then.
  child.on('error', (error) => {
    if (child.pid === undefined) end(error.message);
    else logger.debug({ pid: child.pid, error: error.message }, 'engine process channel');
  });
  return {
    pid: child.pid ?? null,
    gone,
    send(message) {
      // A send to a dead process fails; its 'exit' event is on the way and says so.
      if (child.connected) child.send(message, () => {});
    },
    kill: () => void child.kill('SIGKILL'),
    disconnect() {
      if (child.connected) child.disconnect();
    },
  };
}

/** Resident memory in bytes; null when the process is gone. Not from statm: its pages are 16 kB on a Pi 5. */
export function residentBytes(pid: number): number | null {
  try {
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kibibytes === undefined ? null : Number(kibibytes) * 1024;
  } catch {
    return null;
  }
}
