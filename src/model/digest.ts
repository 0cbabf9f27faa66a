import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fromReadError } from './errors.ts';

export type FileDigest = { name: string; bytes: number; sha256: string };

export type DigestProgress = {
  signal?: AbortSignal | undefined;
  onBytes?: (bytes: number) => void;
};

/** sha256 of a file, read by blocks of 4 MB with a pause for the event loop after each. */
export async function digestFile(
  path: string,
  { signal, onBytes }: DigestProgress = {},
): Promise<FileDigest> {
  const name = basename(path);
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    throw fromReadError(error, name);
  }
  try {
    const hash = createHash('sha256');
    const block = Buffer.allocUnsafe(4 << 20);
    let bytes = 0;
    for (;;) {
      const got = readSync(descriptor, block);
      if (got === 0) break;
      hash.update(block.subarray(0, got));
      bytes += got;
      onBytes?.(got);
      await nextTurn();
      signal?.throwIfAborted();
    }
    return { name, bytes, sha256: hash.digest('hex') };
  } catch (error) {
    throw fromReadError(error, name);
  } finally {
    closeSync(descriptor);
  }
}

/** One digest for many files: sha256 over "sha256  name\n" lines in the order of the names, as `sha256sum` prints them. */
export function digestOfAll(files: readonly FileDigest[]): string {
  const lines = files
    .map((file) => `${file.sha256}  ${file.name}\n`)
    .toSorted((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1));
  return createHash('sha256').update(lines.join('')).digest('hex');
}
