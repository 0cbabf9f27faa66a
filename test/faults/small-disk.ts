import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A small ext4 of its own on a loop device, that a test may fill and break. Root only. */
export type SmallDisk = {
  /** Where it is mounted. */
  path: string;
  /** Leaves not a byte. */
  fill(): void;
  /** Takes away what `fill` wrote. */
  makeRoom(): void;
  /** As the kernel does after an error of the card: every write fails from now on, also to open files. */
  turnReadOnly(): void;
  /** Unmounts, repairs and mounts it again; nobody may have a file open there. */
  repair(): void;
  close(): void;
};

const BYTES = 24 * 1024 * 1024;

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

export function makeSmallDisk(): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'twowatt-disk-'));
  const image = join(folder, 'image');
  const path = join(folder, 'mounted');
  const ballast = join(path, 'ballast');
  writeFileSync(image, '');
  truncateSync(image, BYTES);
  // Without blocks that only root may take: the daemon of this test is root.
  run('mkfs.ext4', '-q', '-F', '-m', '0', image);
  mkdirSync(path);
  const mount = () => run('mount', '-o', 'loop,errors=remount-ro', image, path);
  mount();
  return {
    path,
    fill() {
      for (let part = 0; ; part += 1) {
        const { bavail, bsize } = statfsSync(path);
        if (bavail === 0) return;
        try {
          // The file's own bookkeeping takes blocks too.
          writeFileSync(`${ballast}-${part}`, Buffer.alloc(Math.min(bavail * bsize, 1 << 20), 1));
        } catch {
          return;
        }
      }
    },
    makeRoom: () => run('sh', '-c', `rm -f '${ballast}'-*`),
    turnReadOnly: () => run('mount', '-o', 'remount,abort', path),
    repair() {
      run('umount', path);
      // Exit code 1 means that it mended something.
      run('sh', '-c', `e2fsck -fy '${image}' || test $? -le 1`);
      mount();
    },
    close() {
      run('umount', '-l', path);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

let reason: string | null | undefined;

/** Why there can be no small disk here; null when there can. */
export function noSmallDisk(): string | null {
  if (reason === undefined) {
    try {
      makeSmallDisk().close();
      reason = null;
    } catch (error) {
      reason = `needs root, loop devices and mkfs.ext4 (${String(error).split('\n')[0]})`;
      console.warn(`\n*** skipped: ${reason} ***\n`);
    }
  }
  return reason;
}
