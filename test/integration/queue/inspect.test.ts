import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSystemClock, silentLogger } from '../../../src/core/index.ts';
import { inspectJournal, openJournal } from '../../../src/queue/index.ts';
import { lockHolder } from '../../../src/queue/inspect.ts';
import { LIMITS, prompt } from '../../unit/queue/fixture.ts';

const CHILD = resolve(import.meta.dirname, 'open-journal-child.ts');

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'twowatt-inspect-'));
  path = join(folder, 'queue.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = () =>
  openJournal({ path, clock: createSystemClock(), limits: LIMITS, logger: silentLogger });

/** Names and contents: what a look must leave as it was. */
const contents = () =>
  readdirSync(folder)
    .filter((name) => !name.endsWith('-shm'))
    .map((name) => [name, readFileSync(join(folder, name)).toString('base64')]);

/** A process of its own, because a journal is never opened twice in one; killed after `body`. */
async function withOpenJournal(body: (pid: number) => void): Promise<void> {
  const child = spawn(process.execPath, [CHILD, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  try {
    body(child.pid ?? 0);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

describe('a look at the journal from outside', () => {
  it('finds none, and makes none', () => {
    expect(inspectJournal(path)).toEqual({ state: 'absent', setAside: [] });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('counts what waits after a clean close, and changes nothing', () => {
    const journal = open();
    journal.accept(prompt('a'));
    const first = journal.claim();
    journal.accept(prompt('b'));
    journal.complete(first?.seq ?? 0, 'answer');
    journal.close();
    const before = contents();
    expect(inspectJournal(path)).toMatchObject({
      state: 'closed',
      cleanly: true,
      counts: { waiting: 1, unsent: 1 },
      logBytes: 0,
    });
    expect(contents()).toEqual(before);
  });

  it('names the process that has it open, and tells when that was killed', async () => {
    await withOpenJournal((pid) => {
      expect(inspectJournal(path)).toMatchObject({ state: 'open', pid });
    });
    const before = contents();
    const look = inspectJournal(path);
    expect(look).toMatchObject({ state: 'closed', cleanly: false, counts: null });
    expect(look.state === 'closed' && look.logBytes).toBeGreaterThan(0);
    expect(contents()).toEqual(before);
  });

  it('lists journals that were set aside, and has a reason for what is no journal', () => {
    writeFileSync(`${path}.corrupt-1`, 'x');
    writeFileSync(`${path}.corrupt-1-wal`, 'x');
    writeFileSync(path, 'this is no database at all, only text that is long enough to be read');
    const look = inspectJournal(path);
    expect(look.setAside).toEqual([`${path}.corrupt-1`]);
    expect(look).toMatchObject({
      state: 'unreadable',
      reason: expect.stringMatching(/./) as string,
    });
    rmSync(path);
    mkdirSync(path);
    expect(inspectJournal(path)).toMatchObject({ state: 'unreadable', reason: 'it is not a file' });
  });
});

describe('the kernel’s table of locks', () => {
  const table = (line: string) => `1: FLOCK  ADVISORY  WRITE 5 fe:00:7 0 EOF\n${line}\n`;
  it.each([
    ['2: POSIX  ADVISORY  WRITE 12227 fe:00:42 1073741824 1073742335', { pid: 12227 }],
    ['2: POSIX  ADVISORY  WRITE 0 fe:00:42 1073741824 1073742335', { pid: null }],
    ['2: POSIX  ADVISORY  READ 12227 fe:00:42 1073741826 1073742335', undefined],
    ['2: POSIX  ADVISORY  WRITE 12227 fe:00:42 128 128', undefined],
    ['2: POSIX  ADVISORY  WRITE 12227 fe:00:43 1073741824 1073742335', undefined],
    ['nonsense', undefined],
  ])('%s', (line, holder) => {
    expect(lockHolder(table(line), 42)).toEqual(holder);
  });
});
