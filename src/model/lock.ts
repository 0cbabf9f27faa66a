import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isErrno } from '../core/index.ts';
import { ownerIsAlive, ownerToken } from './owner.ts';
import { workName } from './work-folder.ts';

const OWNER_FILE = 'owner';
/** How often a waiting process looks again: conversions take seconds to minutes. */
const POLL_MS = 100;

/** Renames fail on a folder that is not empty, so the lock exists only together with its owner's name. */
function tryAcquire(lock: string): boolean {
  const mine = workName(lock);
  mkdirSync(mine);
  try {
    writeFileSync(join(mine, OWNER_FILE), ownerToken());
    renameSync(mine, lock);
    return true;
  } catch (error) {
    rmSync(mine, { recursive: true, force: true });
    if (isErrno(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}

function holderIsAlive(lock: string): boolean {
  try {
    return ownerIsAlive(readFileSync(join(lock, OWNER_FILE), 'utf8'));
  } catch (error) {
    // Released in this moment: the next try will tell.
    if (isErrno(error, 'ENOENT')) return true;
    throw error;
  }
}

function discard(lock: string): void {
  const trash = workName(lock);
  try {
    renameSync(lock, trash);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  rmSync(trash, { recursive: true, force: true });
}

/**
 * Runs `body` while no other living process runs one for the same `destination`. The lock saves double
 * work only; that a folder appears whole is the rename's doing. So it is harmless that two processes
 * which find a dead owner at the same moment may, in a narrow window, both come to run.
 */
export async function exclusively<Result>(
  destination: string,
  signal: AbortSignal | undefined,
  body: () => Promise<Result>,
): Promise<Result> {
  mkdirSync(dirname(destination), { recursive: true });
  const lock = join(dirname(destination), `.${basename(destination)}.lock`);
  while (!tryAcquire(lock)) {
    if (!holderIsAlive(lock)) discard(lock);
    else await wait(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
  try {
    return await body();
  } finally {
    discard(lock);
  }
}
