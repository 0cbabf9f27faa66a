import { execFile } from 'node:child_process';

export type CommandAnswer = { ok: true; text: string } | { ok: false; reason: string };

const MOST_OUTPUT_BYTES = 4 * 1024 * 1024;

/** Runs a program of the system and takes what it prints; killed when it is not done within `timeoutMs`. */
export function askCommand(
  command: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<CommandAnswer> {
  const options = {
    timeout: timeoutMs,
    killSignal: 'SIGKILL' as const,
    maxBuffer: MOST_OUTPUT_BYTES,
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' },
  };
  return new Promise((resolve) => {
    execFile(command, [...args], options, (error, stdout) => {
      if (error === null) return resolve({ ok: true, text: stdout });
      const reason =
        error.killed === true
          ? `${command} did not end within ${timeoutMs / 1000} s`
          : error.code === 'ENOENT'
            ? `${command} is not installed`
            : `${command} ended with ${error.signal ?? `exit code ${error.code}`}`;
      resolve({ ok: false, reason });
    });
  });
}
