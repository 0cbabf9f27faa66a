import { closeSync, fsyncSync, openSync, statfsSync, writeSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isErrno } from '../core/index.ts';
import { ModelError } from './errors.ts';

/** The disk as the converter sees it; an argument so that a full one can be acted out. */
export type ConversionDisk = {
  freeBytes(folder: string): number;
  /** Writes what it can of `bytes` from index `from` on; returns how many that were. */
  write(descriptor: number, bytes: Uint8Array, from: number, position: number): number;
};

export const realDisk: ConversionDisk = {
  freeBytes(folder) {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  },
  write: (descriptor, bytes, from, position) =>
    writeSync(descriptor, bytes, from, bytes.length - from, position),
};

/** Left free beyond what is written, for the journal and logs on the same disk. */
const SPARE_BYTES = 16 << 20;

/** @throws ModelError `disk_full` when `bytes` do not fit beside `out`, whose parent must exist */
export function requireSpace(disk: ConversionDisk, out: string, bytes: number): void {
  const parent = dirname(resolve(out));
  const free = disk.freeBytes(parent);
  const needed = bytes + SPARE_BYTES;
  if (free >= needed) return;
  const megabytes = (value: number) => `${Math.ceil(value / 1e6)} MB`;
  throw new ModelError(
    'disk_full',
    out,
    `writing the model needs ${megabytes(needed)} at ${parent}, ${megabytes(free)} are free`,
  );
}

/** A file system error met while writing `out`, as a fault where it is one. */
export function fromWriteError(error: unknown, out: string): unknown {
  return isErrno(error, 'ENOSPC', 'EDQUOT')
    ? new ModelError('disk_full', out, `the disk ran full while writing ${out}`, error)
    : error;
}

/** Puts all of `bytes` at `position` of a file. */
export type WriteAt = (bytes: Uint8Array, position: number) => void;

/** Makes a new file and lets `body` fill it; durable when the promise resolves. */
export async function writeSynced(
  disk: ConversionDisk,
  path: string,
  body: (write: WriteAt) => Promise<void> | void,
): Promise<void> {
  const descriptor = openSync(path, 'wx', 0o644);
  try {
    await body((bytes, position) => {
      for (let from = 0; from < bytes.length;) {
        const written = disk.write(descriptor, bytes, from, position + from);
        // Some file systems say "full" by taking nothing instead of by an error.
        if (written <= 0) {
          throw new ModelError('disk_full', path, `the disk takes no more bytes of ${path}`);
        }
        from += written;
      }
    });
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
