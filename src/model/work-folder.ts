import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { randomBytes } from 'node:crypto';
import { fsyncFolder, isErrno } from '../core/index.ts';
import { ownerIsAlive, ownerToken } from './owner.ts';

/** `.NAME.twowatt-OWNER-RANDOM`, beside the folder it will become: a rename cannot cross disks. */
const WORK_FOLDER = /^\..+\.twowatt-(?<owner>\d+-\d+)-[0-9a-f]+$/;

/** A fresh hidden name beside `destination` that says which process made it. */
export function workName(destination: string): string {
  const random = randomBytes(4).toString('hex');
  const name = `.${basename(destination)}.twowatt-${ownerToken()}-${random}`;
  return join(dirname(destination), name);
}

/** Removes what conversions into `parent` left behind when their process was killed. */
export function removeStaleWorkFolders(parent: string): void {
  for (const name of readdirSync(parent)) {
    const owner = WORK_FOLDER.exec(name)?.groups?.['owner'];
    if (owner !== undefined && !ownerIsAlive(owner)) {
      rmSync(join(parent, name), { recursive: true, force: true });
    }
  }
}

/**
 * A folder that appears under its final name whole or not at all. `publish` is the last step; `remove`
 * may be called at any time and does nothing after a publish.
 */
export class WorkFolder {
  readonly path: string;
  readonly #destination: string;

  constructor(destination: string) {
    this.#destination = resolve(destination);
    const parent = dirname(this.#destination);
    mkdirSync(parent, { recursive: true });
    removeStaleWorkFolders(parent);
    this.path = workName(this.#destination);
    mkdirSync(this.path);
  }

  /** Durable afterwards, provided that every file in it was synced; an older folder is replaced. */
  publish(): void {
    fsyncFolder(this.path);
    try {
      renameSync(this.path, this.#destination);
    } catch (error) {
      if (!isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
      const old = workName(this.#destination);
      renameSync(this.#destination, old);
      renameSync(this.path, this.#destination);
      rmSync(old, { recursive: true, force: true });
    }
    fsyncFolder(dirname(this.#destination));
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
