import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSystemClock, noTracing, silentLogger, TwowattError } from '../../src/core/index.ts';
import { type Journal, openJournal } from '../../src/queue/index.ts';
import { JournalError } from '../../src/queue/errors.ts';
import { Turn } from '../../src/service/turn.ts';
import { ensure, scratchFolder } from '../expect.ts';

/**
 * A journal whose file a bad card has changed: each five bytes of the input overwrite one byte of it.
 * It is read, set aside, or refused with a coded error.
 */
export const name = 'journal';

const clock = createSystemClock();
const folder = () => scratchFolder();
const original = () => join(folder(), 'whole.sqlite');
const path = () => join(folder(), 'queue.sqlite');
let made = false;

function open(file: string): Journal {
  return openJournal({
    path: file,
    clock,
    logger: silentLogger,
    limits: {
      maxDepth: 100,
      maxBytes: 1_000_000,
      retentionMs: 1e9,
      dedupeWindowMs: 1e6,
      maxAttempts: 3,
    },
  });
}

const body = JSON.stringify({
  generate: { messages: [{ role: 'user', content: 'canary' }], maxTokens: 1, stop: [] },
  stream: true,
  route: 'auto',
  privacy: 'redact',
  privacyFrom: 'config',
  hops: 0,
  escalatesMidStream: true,
});

function makeOriginal(): void {
  if (made) return;
  clear();
  const journal = open(path());
  for (const id of ['a', 'b', 'c', 'd']) {
    journal.accept({
      id,
      idGenerated: false,
      reply: {
        kind: 'mqtt',
        topic: `r/${id}`,
        format: 'frames',
        correlation: null,
        userProperties: { k: 'v' },
      },
      bodyHash: id,
      body,
      session: id === 'a' ? 's' : null,
      priority: 5,
      deadlineMs: id === 'b' ? 100_000 : null,
      delivery: { packetId: 1, redelivered: false },
    });
  }
  const first = journal.claim();
  if (first !== undefined)
    journal.complete(first.seq, '{"type":"done"}', [{ role: 'user', content: 'x' }]);
  journal.claim();
  journal.close();
  // Not closed cleanly, so that the next open looks through it.
  copyFileSync(path(), original());
  made = true;
}

function clear(): void {
  for (const file of readdirSync(folder())) {
    if (file.startsWith('queue.sqlite')) rmSync(join(folder(), file), { force: true });
  }
}

export const seeds = () => [
  Buffer.alloc(0),
  Buffer.from([0, 0, 0, 0, 0]),
  Buffer.from([100, 4, 0, 0, 13]),
  Buffer.from([0, 30, 0, 0, 0xff, 1, 30, 0, 0, 0x7b]),
];

export function fuzz(data: Buffer): void {
  makeOriginal();
  clear();
  const bytes = readFileSync(original());
  for (let at = 0; at + 5 <= data.length; at += 5) {
    bytes[data.readUInt32LE(at) % bytes.length] = data[at + 4] ?? 0;
  }
  writeFileSync(path(), bytes, { mode: 0o600 });
  let journal: Journal | undefined;
  try {
    journal = open(path());
    const port = { deliver: async () => true, trySend() {}, gone: () => false };
    for (let claims = 0; claims < 10; claims += 1) {
      const stored = journal.claim();
      if (stored === undefined) break;
      let turns: ReturnType<Turn['turnsWith']> | undefined;
      try {
        const turn = new Turn(stored, {
          node: 'n',
          systemPrompt: '',
          clock,
          journal,
          port,
          tracing: noTracing,
        });
        turns = turn.turnsWith('answer');
      } catch {
        // A body that cannot be read: the pipeline ends such a prompt with `internal`.
      }
      journal.complete(stored.seq, '{}', turns);
    }
    journal.unsent(10);
    journal.expired(10);
    journal.counts();
  } catch (error) {
    ensure(
      error instanceof JournalError || (error instanceof TwowattError && error.code !== 'internal'),
      `a coded error, not ${error instanceof Error ? error.stack : String(error)}`,
    );
  } finally {
    journal?.close();
  }
}
