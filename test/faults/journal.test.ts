import {
  closeSync,
  copyFileSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';

import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../bench/router/random.ts';
import { createSystemClock, silentLogger } from '../../src/core/index.ts';
import { type CorruptReport, openJournal } from '../../src/queue/index.ts';
import { temporaryFolder, until } from '../e2e/harness.ts';
import { mosquittoAvailable } from '../fakes/brokers.ts';
import { startNode, type TestNode } from './node.ts';

const DAMAGES = Number(process.env['DAMAGES'] ?? 200);
const WAITING = 40;
const ANSWERED = 12;
const SUFFIXES = ['', '-wal'] as const;
const LIMITS = {
  maxDepth: 1000,
  maxBytes: 100_000_000,
  retentionMs: 86_400_000,
  dedupeWindowMs: 3_600_000,
  maxAttempts: 3,
};

describe.skipIf(!mosquittoAvailable())('a damaged journal', () => {
  const folder = temporaryFolder();
  const random = createRandom(11);
  let node: TestNode;
  /** The journal of a daemon that was killed with prompts waiting and answers stored. */
  const original = join(folder.path, 'original.sqlite');

  const bodyOf = (id: string) => ({
    id,
    max_tokens: 200,
    temperature: 2,
    seed: 1,
    messages: [{ role: 'user', content: `${id} ${'tell me of lamps '.repeat(10)}` }],
  });
  function read(path: string, onCorrupt: (report: CorruptReport) => void) {
    const clock = createSystemClock();
    const journal = openJournal({ path, clock, limits: LIMITS, logger: silentLogger, onCorrupt });
    journal.close();
    const database = new DatabaseSync(path);
    try {
      const rows = database
        .prepare('SELECT id, text FROM prompt JOIN content USING (seq)')
        .all() as { id: string; text: string }[];
      return new Map(rows.map(({ id, text }) => [id, text]));
    } finally {
      database.close();
    }
  }

  beforeAll(async () => {
    node = await startNode();
    for (let n = 0; n < ANSWERED; n += 1) await node.ask(`short${n}`);
    for (let n = 0; n < WAITING; n += 1) void node.device.prompt(bodyOf(`long${n}`));
    await until(
      () => node.daemon.output().split('prompt accepted').length > ANSWERED + WAITING,
      'all prompts to be accepted',
    );
    await node.daemon.kill();
    for (const suffix of SUFFIXES) {
      copyFileSync(join(node.stateFolder, `queue.sqlite${suffix}`), original + suffix);
    }
  });
  afterAll(async () => {
    await node.close();
    folder.remove();
  });

  /** One piece of damage, at a random place of one of the two files. */
  function damage(path: string): string {
    const suffix = random() < 0.5 ? '' : '-wal';
    const { size } = statSync(path + suffix);
    const at = Math.floor(random() * size);
    const kind = random();
    if (kind < 0.25) {
      truncateSync(path + suffix, at);
      return `cut off${suffix}`;
    }
    const bytes = readFileSync(path + suffix);
    if (kind < 0.65) {
      bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    } else {
      // A card writes whole sectors, or leaves something else there.
      const from = at - (at % 512);
      for (let n = from; n < Math.min(size, from + 512); n += 1)
        bytes[n] = Math.floor(random() * 256);
    }
    writeFileSync(path + suffix, bytes);
    return `${kind < 0.65 ? 'bit' : 'sector'}${suffix}`;
  }

  it(`of ${DAMAGES} random damages none empties it unseen, and what is set aside is whole`, () => {
    const whole = read(copyTo(join(folder.path, 'sound')), () => {
      throw new Error('a sound journal was taken for damaged');
    });
    expect(whole.size).toBeGreaterThan(WAITING);
    const table: Record<string, Record<string, number>> = {};
    const unseen: string[] = [];
    for (let n = 0; n < DAMAGES; n += 1) {
      const path = copyTo(join(folder.path, `damaged-${n}`));
      const what = damage(path);
      const harmed = SUFFIXES.map((suffix) => readFileSync(path + suffix));
      const reports: CorruptReport[] = [];
      const found = read(path, (report) => reports.push(report));
      let outcome: string;
      const lost = [...whole.keys()].filter((id) => !found.has(id)).length;
      if (reports[0]?.goesOn === true) {
        outcome = lost === 0 ? 'told, nothing lost' : 'told, a part lost';
        expect(readFileSync(`${reports[0].movedTo}-wal`).equals(harmed[1] ?? Buffer.of())).toBe(
          true,
        );
      } else if (reports.length > 0) {
        outcome = 'set aside';
        const aside = reports[0]?.movedTo ?? '';
        expect(statSync(aside).size).toBeGreaterThan(0);
        expect(readFileSync(`${aside}-wal`).equals(harmed[1] ?? Buffer.of()), aside).toBe(true);
      } else if (lost > 0) {
        outcome = 'lost unseen';
        unseen.push(`${what}: ${lost} of ${whole.size}`);
      } else {
        const same = [...whole].every(([id, text]) => found.get(id) === text);
        outcome = same ? 'nothing lost' : 'a text changed';
      }
      const row = (table[what] ??= {});
      row[outcome] = (row[outcome] ?? 0) + 1;
    }
    console.table(table);
    // A log that ends early looks like one that was never longer.
    expect(unseen.filter((line) => !line.startsWith('cut off-wal'))).toEqual([]);

    function copyTo(where: string): string {
      mkdirSync(where);
      const path = join(where, 'queue.sqlite');
      for (const suffix of SUFFIXES) copyFileSync(original + suffix, path + suffix);
      return path;
    }
  });

  it('found at the start: set aside, told as journal_corrupt, and the node serves', async () => {
    const path = join(node.stateFolder, 'queue.sqlite');
    for (const suffix of SUFFIXES) copyFileSync(original + suffix, path + suffix);
    const bytes = readFileSync(path);
    bytes.fill(0x5a, 1024);
    writeFileSync(path, bytes);
    writeFileSync(`${path}-wal`, '');
    node.start();
    expect(await node.reports('journal_corrupt')).toMatch(/queue\.sqlite\.corrupt-1/);
    expect(await node.ask('after')).toBe('done');
    expect(readFileSync(`${path}.corrupt-1`).equals(bytes)).toBe(true);
    await node.daemon.stop();
  });

  it('found in use: told as journal_corrupt, ends for a restart, which sets it aside', async () => {
    node.start({ set: ['queue.max_bytes=16000000'] });
    expect(await node.ask('sound')).toBe('done');
    const asideBefore = asides();
    // More than SQLite's cache of 2 MB holds, and all of it waits behind the first one.
    const waiting = Array.from({ length: 100 }, (_, n) =>
      node.device.prompt({
        ...bodyOf(`big${n}`),
        messages: [{ role: 'user', content: 'x '.repeat(30_000) }],
      }),
    );
    await Promise.all([node.device.prompt({ ...bodyOf('first'), priority: 9 }), ...waiting]);
    await until(() => node.daemon.output().includes('"big99"'), 'the last one to be accepted');
    const path = join(node.stateFolder, 'queue.sqlite');
    for (const suffix of SUFFIXES) {
      const file = openSync(path + suffix, 'r+');
      const noise = Buffer.alloc(fstatSync(file).size - 1024, 0x5a);
      writeSync(file, noise, 0, noise.length, 1024);
      closeSync(file);
    }
    expect(await node.daemon.exited).toBe(1);
    expect(node.daemon.output()).toMatch(/content is damaged/);
    node.start();
    expect(await node.reports('journal_corrupt')).toMatch(/set aside/);
    expect(await node.ask('after-restart')).toBe('done');
    expect(asides()).toBeGreaterThan(asideBefore);
  });

  const asides = () =>
    readdirSync(node.stateFolder).filter((name) => name.includes('.corrupt-')).length;
});
