/**
 * What a prompt costs the disk. Run: `node bench/journal.ts [--folder DIR] [--prompts N]`
 *
 * Prints the latency of one fsync there, of each journal call (p50, p99), of a claim with 10,000
 * prompts waiting, and the bytes that reach the block layer per prompt (accept, claim, complete and
 * sent): `write_bytes` of /proc/self/io counts pages made dirty, without the file system's own
 * journal; the folder must lie on a real disk, a tmpfs counts nothing.
 */
import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createSystemClock, silentLogger } from '../src/core/index.ts';
import { type Journal, type NewPrompt, openJournal } from '../src/queue/index.ts';

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: tmpdir() },
    prompts: { type: 'string', default: '1000' },
  },
});
const PROMPTS = Number(values.prompts);
const WAITING = 10_000;
const FSYNCS = 200;
const clock = createSystemClock();
const folder = mkdtempSync(join(values.folder, 'twowatt-bench-'));

const LIMITS = {
  maxDepth: 20_000,
  maxBytes: 100_000_000,
  retentionMs: 86_400_000,
  dedupeWindowMs: 3_600_000,
  maxAttempts: 3,
};

function open(name: string, limits = LIMITS): Journal {
  return openJournal({ path: join(folder, name), clock, logger: silentLogger, limits });
}

function makePrompt(n: number, bodyBytes: number): NewPrompt {
  const id = `bench-${n}`;
  return {
    id,
    idGenerated: false,
    reply: {
      kind: 'mqtt',
      topic: `twowatt/v1/board/reply/${id}`,
      format: 'frames',
      correlation: null,
      userProperties: null,
    },
    bodyHash: n.toString(16).padStart(64, '0'),
    body: 'b'.repeat(bodyBytes),
    session: null,
    priority: n % 10,
    deadlineMs: 300_000,
    delivery: { packetId: n % 65_535, redelivered: false },
  };
}

/** Runs `body` and notes how long it took, in milliseconds. */
function timed<T>(into: number[], body: () => T): T {
  const start = clock.monotonicMs();
  const result = body();
  into.push(clock.monotonicMs() - start);
  return result;
}

function percentile(samples: number[], part: number): string {
  const sorted = samples.toSorted((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN).toFixed(3);
}

function line(name: string, samples: number[]): void {
  const [p50, p99] = [percentile(samples, 0.5), percentile(samples, 0.99)];
  console.log(`${name.padEnd(34)} p50 ${p50.padStart(8)} ms   p99 ${p99.padStart(8)} ms`);
}

function writtenBytes(): number {
  const match = /^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'));
  return Number(match?.[1]);
}

function benchFsync(): void {
  const samples: number[] = [];
  const descriptor = openSync(join(folder, 'fsync'), 'w');
  const block = Buffer.alloc(4096, 1);
  for (let n = 0; n < FSYNCS; n += 1) {
    timed(samples, () => {
      writeSync(descriptor, block);
      fsyncSync(descriptor);
    });
  }
  closeSync(descriptor);
  line('append 4 KiB and fsync', samples);
}

function benchLife(bodyBytes: number, answerBytes: number): void {
  const journal = open(`life-${bodyBytes}.sqlite`);
  const [accept, claim, complete, sent]: number[][] = [[], [], [], []];
  const before = writtenBytes();
  for (let n = 0; n < PROMPTS; n += 1) {
    timed(accept as number[], () => journal.accept(makePrompt(n, bodyBytes)));
    const claimed = timed(claim as number[], () => journal.claim());
    if (claimed === undefined) throw new Error('nothing to claim');
    timed(complete as number[], () => journal.complete(claimed.seq, 'a'.repeat(answerBytes)));
    timed(sent as number[], () => journal.markSent(claimed.seq));
  }
  journal.close();
  const perPrompt = (writtenBytes() - before) / PROMPTS;
  console.log(`\n${PROMPTS} prompts, body ${bodyBytes} bytes, answer ${answerBytes} bytes`);
  line('  accept', accept as number[]);
  line('  claim', claim as number[]);
  line('  complete', complete as number[]);
  line('  markSent', sent as number[]);
  console.log(`  written per prompt                 ${(perPrompt / 1024).toFixed(1)} KiB`);
}

function benchDeep(): void {
  const journal = open('deep.sqlite', { ...LIMITS, maxDepth: WAITING });
  const [fill, refusals, claims]: number[][] = [[], [], []];
  for (let n = 0; n < WAITING; n += 1) {
    const session = n % 2 === 0 ? 'one' : null;
    timed(fill as number[], () => journal.accept({ ...makePrompt(n, 300), session }));
  }
  for (let n = 0; n < 200; n += 1) {
    timed(refusals as number[], () => {
      try {
        journal.accept(makePrompt(WAITING + n, 300));
      } catch {
        // queue_full: its latency is what is measured.
      }
    });
    timed(claims as number[], () => journal.claim());
  }
  journal.close();
  console.log(`\n${WAITING} prompts waiting, half of them in one session`);
  line('  accept while filling', fill as number[]);
  line('  refusal (queue_full)', refusals as number[]);
  line('  claim', claims as number[]);
}

try {
  benchFsync();
  benchLife(600, 900);
  benchLife(16_000, 4000);
  benchDeep();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
