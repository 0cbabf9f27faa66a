import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createSystemClock, silentLogger } from '../../../src/core/index.ts';
import { type CorruptReport, eraseJournal, openJournal } from '../../../src/queue/index.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';
import { acceptNew, LIMITS, openBench, prompt, temporaryFolder } from '../../unit/queue/fixture.ts';

const CRASH_CHILD = resolve(import.meta.dirname, 'crash-child.ts');

function open(path: string, onCorrupt: (report: CorruptReport) => void = () => {}) {
  const clock = createVirtualClock();
  const journal = openJournal({ path, clock, limits: LIMITS, logger: silentLogger, onCorrupt });
  onTestFinished(() => journal.close());
  return journal;
}

/** A journal as a killed daemon leaves it: not closed, with a log beside it. */
async function killedJournal(): Promise<string> {
  const path = join(temporaryFolder(), 'journal.sqlite');
  const child = spawn(process.execPath, [CRASH_CHILD, path, 'life'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let lines = 0;
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    lines += chunk.split('\n').length - 1;
    if (lines > 200) child.kill('SIGKILL');
  });
  await once(child, 'close');
  return path;
}

it('a journal of the first schema is taken over: all its prompts came over MQTT', () => {
  const path = join(temporaryFolder(), 'journal.sqlite');
  const first = openJournal({
    path,
    clock: createVirtualClock(),
    limits: LIMITS,
    logger: silentLogger,
  });
  acceptNew(first, 'old');
  first.close();
  const database = new DatabaseSync(path);
  database.exec(
    'ALTER TABLE prompt DROP COLUMN kind; ALTER TABLE session DROP COLUMN local; ALTER TABLE session DROP COLUMN target; PRAGMA user_version = 1;',
  );
  database.close();
  expect(open(path).claim()).toMatchObject({ id: 'old', reply: { kind: 'mqtt' } });
});

describe('two processes', () => {
  it('the second is told clearly, for opening and for erasing, and harms nothing', async () => {
    const path = join(temporaryFolder(), 'journal.sqlite');
    const child = spawn(process.execPath, [CRASH_CHILD, path, 'holder'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    for await (const chunk of child.stdout
      .setEncoding('utf8')
      .iterator({ destroyOnReturn: false })) {
      said += chunk;
      if (said.split('\n').length > 20) break;
    }
    // It writes on and on; stopped, it still holds the lock.
    child.kill('SIGSTOP');
    const locked = expect.objectContaining({
      problem: 'locked',
      param: 'queue.path',
      message: expect.stringMatching(/another process.*is the daemon running/),
    });
    expect(() => open(path)).toThrowError(locked);
    const clock = createSystemClock();
    expect(() => eraseJournal({ path, clock, logger: silentLogger })).toThrowError(locked);
    child.kill('SIGKILL');
    await once(child, 'close');
    const reports: CorruptReport[] = [];
    expect(open(path, (report) => reports.push(report)).counts().unsent).toBeGreaterThan(0);
    expect(reports).toEqual([]);
  });
});

describe('damage', () => {
  // Each takes the log into the database first: SQLite heals damage that the log still covers.
  const damages: Record<string, (path: string) => void> = {
    'garbage instead of a database': (path) => {
      emptyLog(path);
      writeFileSync(path, 'garbage '.repeat(2000));
    },
    'a header of another kind': (path) => {
      emptyLog(path);
      const bytes = readFileSync(path);
      bytes.write('NOT AN SQLITE DB', 0);
      writeFileSync(path, bytes);
    },
    'pages full of noise': (path) => {
      emptyLog(path);
      const bytes = readFileSync(path);
      for (let at = 3 * 1024; at < bytes.length; at += 1) bytes[at] = (at * 7919) & 0xff;
      writeFileSync(path, bytes);
    },
    'a file cut off': (path) => {
      emptyLog(path);
      truncateSync(path, Math.floor(statSync(path).size / 2 / 1024) * 1024);
    },
    'an empty file beside its log': (path) => truncateSync(path, 0),
  };

  function emptyLog(path: string): void {
    const database = new DatabaseSync(path);
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    database.close();
  }

  it.each(Object.entries(damages))(
    '%s: moved aside whole, reported, begun anew',
    async (_, harm) => {
      const path = await killedJournal();
      harm(path);
      const harmed = readFileSync(path);
      const reports: CorruptReport[] = [];
      const journal = open(path, (report) => reports.push(report));
      expect(reports).toHaveLength(1);
      expect(reports[0]?.movedTo).toBe(`${path}.corrupt-1`);
      expect(reports[0]?.reason).toMatch(path);
      expect(readFileSync(`${path}.corrupt-1`).equals(harmed)).toBe(true);
      expect(journal.counts()).toMatchObject({ depth: 0, unsent: 0, problem: null });
      acceptNew(journal, 'a');
      journal.close();

      writeFileSync(path, 'garbage again');
      open(path, (report) => reports.push(report));
      expect(reports.map(({ movedTo }) => movedTo.slice(path.length))).toEqual([
        '.corrupt-1',
        '.corrupt-2',
      ]);
    },
  );

  it('a torn log loses only what was never acknowledged', async () => {
    const path = await killedJournal();
    const before = readFileSync(`${path}-wal`);
    writeFileSync(`${path}-wal`, Buffer.concat([before, Buffer.alloc(1500, 0x5a)]));
    const reports: CorruptReport[] = [];
    const journal = open(path, (report) => reports.push(report));
    expect(reports).toEqual([]);
    expect(journal.counts().unsent).toBeGreaterThan(10);
  });

  it('a log damaged in its middle is told, kept beside, and read up to there', async () => {
    const path = await killedJournal();
    const [whole, log] = [readFileSync(path), readFileSync(`${path}-wal`)];
    const reportsOn = (found: Buffer) => {
      writeFileSync(path, whole);
      writeFileSync(`${path}-wal`, found);
      const reports: CorruptReport[] = [];
      open(path, (report) => reports.push(report)).close();
      return reports;
    };
    // In the head's magic number and salt, and in the page of the first frame.
    for (const at of [0, 20, 32 + 24 + 100]) {
      const harmed = Buffer.from(log);
      harmed[at]! ^= 0x04;
      const reports = reportsOn(harmed);
      expect(reports).toMatchObject([{ goesOn: true, reason: expect.stringMatching(/log/) }]);
      expect(readFileSync(`${reports[0]?.movedTo}-wal`).equals(harmed)).toBe(true);
    }
    expect(reportsOn(log)).toEqual([]);
  });

  it('a log that is gone is told', async () => {
    const path = await killedJournal();
    rmSync(`${path}-wal`);
    const reports: CorruptReport[] = [];
    open(path, (report) => reports.push(report));
    expect(reports).toMatchObject([{ goesOn: true, reason: expect.stringMatching(/log is gone/) }]);
  });

  it('what is not our file stays as it is', () => {
    const path = join(temporaryFolder(), 'other.sqlite');
    const other = new DatabaseSync(path);
    other.exec('CREATE TABLE holiday_photos (name TEXT)');
    other.close();
    expect(() => open(path)).toThrowError(expect.objectContaining({ problem: 'foreign' }));
    const newer = new DatabaseSync(path);
    newer.exec('PRAGMA user_version = 99');
    newer.close();
    expect(() => open(path)).toThrowError(expect.objectContaining({ problem: 'newer_schema' }));
    const after = new DatabaseSync(path);
    expect(after.prepare('SELECT name FROM sqlite_schema').all()).toHaveLength(1);
    after.close();
  });
});

describe('erase', () => {
  const SECRET = 'my grandmother’s recipe';

  it('leaves no byte of prompts, answers and sessions in any file', () => {
    const bench = openBench();
    const { path } = bench;
    const holding = () =>
      readdirSync(dirname(path)).filter((name) =>
        readFileSync(join(dirname(path), name)).includes(SECRET),
      );
    for (let n = 0; n < 20; n += 1) {
      const seq = acceptNew(bench.journal, `a${n}`, { body: SECRET.repeat(n * 20 + 1) });
      if (n % 2 === 0) continue;
      const turns = [{ role: 'user' as const, content: SECRET }];
      bench.journal.complete(seq, SECRET.repeat(n), turns);
    }
    const seq = acceptNew(bench.journal, 'with session', { session: SECRET });
    bench.journal.complete(seq, SECRET, [{ role: 'user', content: SECRET }]);
    writeFileSync(`${path}.corrupt-1`, SECRET);
    // Reading a file drops this process's lock on it: nobody else is here to take it.
    expect(holding()).not.toEqual([]);
    expect(bench.journal.erase()).toEqual({ prompts: 10, answers: 11, sessions: 1 });
    expect(holding()).toEqual([]);
    expect(bench.journal.counts()).toMatchObject({ depth: 0, bytes: 0, unsent: 0 });
    expect(bench.journal.accept(prompt('a0')).kind).toBe('accepted');
    bench.journal.close();
    expect(holding()).toEqual([]);
  });

  it('of a closed journal counts what was there, and creates nothing where nothing is', () => {
    const bench = openBench();
    acceptNew(bench.journal, 'a');
    bench.journal.close();
    const options = { clock: bench.clock, logger: silentLogger };
    expect(eraseJournal({ ...options, path: bench.path })).toMatchObject({ prompts: 1 });
    expect(eraseJournal({ ...options, path: bench.path })).toMatchObject({ prompts: 0 });
    const nowhere = join(temporaryFolder(), 'no', 'journal.sqlite');
    expect(eraseJournal({ ...options, path: nowhere })).toMatchObject({ prompts: 0 });
    expect(existsSync(dirname(nowhere))).toBe(false);
  });
});

describe('the disk', () => {
  it('keeps prompts from other users', () => {
    const path = join(temporaryFolder(), 'state', 'journal.sqlite');
    const journal = open(path);
    acceptNew(journal, 'a');
    for (const name of readdirSync(dirname(path))) {
      expect(statSync(join(dirname(path), name)).mode & 0o077, name).toBe(0);
    }
    expect(statSync(dirname(path)).mode & 0o077).toBe(0);
  });

  it('says so when the journal cannot be created', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'file'), '');
    const failure = expect.objectContaining({ param: 'queue.path', problem: 'io' });
    expect(() => open(join(folder, 'file', 'journal.sqlite'))).toThrowError(failure);
    mkdirSync(join(folder, 'directory.sqlite'));
    expect(() => open(join(folder, 'directory.sqlite'))).toThrowError(failure);
  });

  const ROOMS = resolve(import.meta.dirname, 'full-disk-child.ts');
  const canMount = (() => {
    try {
      execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  })();

  it.skipIf(!canMount)('full, then read-only, then well again: refused, kept, gone on with', () => {
    const said = execFileSync('unshare', ['-rm', process.execPath, ROOMS], { encoding: 'utf8' });
    expect(said.trim().split('\n')).toEqual([
      'accept on a full disk: queue_full disk_full',
      'nothing half-stored: true',
      'health: disk_full',
      'complete on a full disk: internal disk_full',
      'with room again: the answer',
      'health: null',
      'open on a read-only disk: read_only',
      'after all: the answer',
    ]);
  });
});
