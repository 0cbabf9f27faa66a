import { fstatSync } from 'node:fs';
import type { DestinationStream } from 'pino';

/** The places of syslog (RFC 5424, 6.2.1) from which a line of ours takes its priority; pino's numbers. */
const PRIORITIES = [
  { from: 60, priority: 2 },
  { from: 50, priority: 3 },
  { from: 40, priority: 4 },
  { from: 30, priority: 6 },
];
const DEBUG_PRIORITY = 7;

/**
 * Whether a file descriptor is the one that systemd has connected to its journal: `JOURNAL_STREAM` holds
 * that one's device and inode (systemd.exec(5)). The variable alone proves nothing, it is inherited by
 * processes whose output goes elsewhere.
 */
export function goesToJournal(
  descriptor: number,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  const [, device, inode] = /^(\d+):(\d+)$/.exec(env['JOURNAL_STREAM'] ?? '') ?? [];
  if (device === undefined || inode === undefined) return false;
  try {
    const facts = fstatSync(descriptor, { bigint: true });
    return facts.dev === BigInt(device) && facts.ino === BigInt(inode);
  } catch {
    return false;
  }
}

/** Puts the priority that systemd reads (sd-daemon(3)) before each line of a text; blank lines go. */
export function withPriority(text: string, level: number): string {
  const priority = PRIORITIES.find(({ from }) => level >= from)?.priority ?? DEBUG_PRIORITY;
  return text
    .split(/\r\n|\r|\n/)
    .filter((line) => line !== '')
    .map((line) => `<${priority}>${line}\n`)
    .join('');
}

/** A destination for pino before `stream`, for logs that go to the journal. */
export function journalLog(stream: { write(text: string): void }): DestinationStream {
  const destination = {
    // Asks pino to leave the level of the line beside it.
    [Symbol.for('pino.metadata')]: true,
    lastLevel: 0,
    write(line: string) {
      stream.write(withPriority(line, destination.lastLevel));
    },
  };
  return destination;
}
