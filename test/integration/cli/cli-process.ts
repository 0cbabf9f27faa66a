import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const MAIN = resolve(import.meta.dirname, '../../../src/cli/main.ts');

export type CliRun = {
  pid: number;
  stdout(): string;
  stderr(): string;
  write(text: string): void;
  endInput(): void;
  signal(signal: NodeJS.Signals): void;
  /** The exit code, or the signal's name when one ended it. */
  exited: Promise<number | string>;
};

export type CliOptions = { env?: Record<string, string>; input?: string };

/** A folder that stands for a user's home: the real one must neither help nor be touched. */
export function temporaryHome(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'twowatt-cli-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Starts the real binary from its sources; without `input`, stdin stays open. */
export function startCli(home: string, args: string[], options: CliOptions = {}): CliRun {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: 'pipe',
    env: { PATH: process.env['PATH'] ?? '', HOME: home, ...options.env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  if (options.input !== undefined) child.stdin.end(options.input);
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    write: (text) => void child.stdin.write(text),
    endInput: () => void child.stdin.end(),
    signal: (signal) => void child.kill(signal),
    exited: new Promise((done) => {
      child.once('close', (code, signal) => done(code ?? signal ?? 'unknown'));
    }),
  };
}

/** Runs the binary to its end. */
export async function runCli(home: string, args: string[], options: CliOptions = {}) {
  const run = startCli(home, args, { input: '', ...options });
  const code = await run.exited;
  return { code, stdout: run.stdout(), stderr: run.stderr() };
}

export async function until(
  condition: () => boolean,
  what: string,
  timeoutMs = 20_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((wake) => setTimeout(wake, 10));
  }
}
