/** Runs in a mount namespace of its own, on a small disk that it fills. Prints what happened. */
import { execFileSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSystemClock, silentLogger } from '../../../src/core/index.ts';
import { JournalError, openJournal } from '../../../src/queue/index.ts';
import { LIMITS, prompt } from '../../unit/queue/fixture.ts';

const DISK = '/mnt';
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', DISK]);

const ballast = join(DISK, 'ballast');
const open = () =>
  openJournal({
    path: join(DISK, 'journal.sqlite'),
    clock: createSystemClock(),
    limits: LIMITS,
    logger: silentLogger,
  });

function failure(body: () => unknown): JournalError {
  try {
    body();
  } catch (error) {
    if (error instanceof JournalError) return error;
    throw error;
  }
  throw new Error('it should have failed');
}

let journal = open();
journal.accept(prompt('a'));
const claimed = journal.claim();
const { bavail, bsize } = statfsSync(DISK);
writeFileSync(ballast, Buffer.alloc(bavail * bsize));

// The log has some free bytes in its last block: go on until they are used up.
const refused = failure(() => {
  for (let n = 0; n < 100; n += 1) journal.accept(prompt(`b${n}`, { body: 'x'.repeat(2000) }));
});
console.log(`accept on a full disk: ${refused.code} ${refused.problem}`);
const { depth } = journal.counts();
const again = failure(() => journal.accept(prompt('c', { body: 'x'.repeat(9000) })));
console.log(`nothing half-stored: ${again.retryable && journal.counts().depth === depth}`);
console.log(`health: ${journal.counts().problem}`);
const answer = 'the answer';
const full = failure(() => journal.complete(claimed?.seq ?? 0, answer.repeat(1000)));
console.log(`complete on a full disk: ${full.code} ${full.problem}`);
rmSync(ballast);
console.log(`with room again: ${journal.complete(claimed?.seq ?? 0, answer).payload}`);
console.log(`health: ${journal.counts().problem}`);
journal.close();

execFileSync('mount', ['-o', 'remount,ro', DISK]);
console.log(`open on a read-only disk: ${failure(open).problem}`);
execFileSync('mount', ['-o', 'remount,rw', DISK]);
journal = open();
console.log(`after all: ${journal.unsent(1)[0]?.payload}`);
journal.close();
