import { accessSync, constants, existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isErrno } from '../../core/index.ts';
import { inspectJournal } from '../../queue/index.ts';
import type { StorageFacts } from '../facts.ts';
import type { ProbeContext } from './index.ts';

/** The folder itself, or the one in which it would be made. */
function nearestThere(path: string): string {
  let here = resolve(path);
  while (!existsSync(here) && dirname(here) !== here) here = dirname(here);
  return here;
}

function whyUnwritable(folder: string): string | null {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    if (isErrno(error, 'EROFS')) return `${folder} lies on a read-only file system`;
    return `no permission to write into ${folder}`;
  }
}

function lookAtFolder(path: string): StorageFacts['stateFolder'] {
  const there = nearestThere(path);
  return { path, exists: there === resolve(path), denied: whyUnwritable(there) };
}

export async function lookAtStorage({ config }: ProbeContext): Promise<StorageFacts> {
  const { node, queue } = config.values;
  const journalFolder = dirname(queue.path);
  const disk = await statfs(nearestThere(journalFolder)).catch(() => null);
  return {
    stateFolder: lookAtFolder(node.state_folder),
    journalPath: queue.path,
    journalFolder: lookAtFolder(journalFolder),
    diskFreeBytes: disk === null ? null : disk.bavail * disk.bsize,
    journal: inspectJournal(queue.path),
  };
}
