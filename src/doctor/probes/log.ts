import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { LogFacts } from '../facts.ts';
import { askCommand } from './command.ts';
import type { ProbeContext } from './index.ts';
import { UNIT } from './service.ts';

const MOST_LINES = 500;
const TAIL_BYTES = 512 * 1024;
const COMMAND_MS = 8_000;

/**
 * Fields of our log lines that never hold what people wrote. Everything else is left out: with
 * `log.prompts` on, and in the engine's own output, prompts stand in the log.
 */
export const PUBLIC_FIELDS: ReadonlySet<string> = new Set(
  `level time room msg code kind key param reason reasons why profile problem pid limitMs loadMs protocol
  attempt attempts restarts failures state threads verb policy policies khz trouble digest depth
  unsent covers sessionPresent movedTo type target endpoint difficulty outcome finish ahead bytes
  redelivered promptTokens tokens prefillMs decodeMs firstTokenMs totalMs agree compared same
  answers timeline goesOn`.split(/\s+/),
);

const isPlain = (value: unknown): boolean =>
  Array.isArray(value)
    ? value.every((one) => !Array.isArray(one) && isPlain(one))
    : ['string', 'number', 'boolean'].includes(typeof value) || value === null;

/** A log line with the fields that may leave the board; undefined for one that is not ours. */
export function publicLogLine(line: string): string | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || !('level' in parsed)) return undefined;
  const kept = Object.entries(parsed).filter(
    ([name, value]) => PUBLIC_FIELDS.has(name) && isPlain(value),
  );
  return JSON.stringify(Object.fromEntries(kept));
}

/** The end of a file; null when it cannot be read. Never waits for a FIFO. */
function tailOf(path: string): string | null {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const facts = fstatSync(descriptor);
      if (!facts.isFile()) return null;
      const bytes = Buffer.alloc(Math.min(TAIL_BYTES, facts.size));
      const length = readSync(descriptor, bytes, 0, bytes.length, facts.size - bytes.length);
      return bytes.toString('utf8', 0, length);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return null;
  }
}

async function rawLog(homeFolder: string): Promise<{ source: string; text: string } | null> {
  const args = ['-u', UNIT, '-n', String(MOST_LINES), '-o', 'cat', '--no-pager', '-q'];
  const journal = await askCommand('journalctl', args, COMMAND_MS);
  if (journal.ok && journal.text.trim() !== '') {
    return { source: `journalctl -u ${UNIT}`, text: journal.text };
  }
  const pm2Home = process.env['PM2_HOME'] ?? join(homeFolder, '.pm2');
  const file = join(pm2Home, 'logs', 'twowatt-out.log');
  const text = tailOf(file);
  return text === null ? null : { source: file, text };
}

/** The last lines of the daemon's log, of each the fields that hold nobody's words. */
export async function lookAtLog({ homeFolder }: ProbeContext): Promise<LogFacts> {
  const raw = await rawLog(homeFolder);
  if (raw === null) return { source: null, lines: [], leftOut: 0 };
  const all = raw.text.split('\n').filter((line) => line.trim() !== '');
  const last = all.slice(-MOST_LINES);
  const lines = last.map(publicLogLine).filter((line) => line !== undefined);
  return { source: raw.source, lines, leftOut: last.length - lines.length };
}
