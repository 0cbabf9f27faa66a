import {
  chmodSync,
  copyFileSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** Files below a folder, relative to it, in an order that does not depend on the disk. */
export const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort((a, b) => (a < b ? -1 : 1));

const foldersBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));

/** Writes or copies with the rights that the file has in the package. */
export function put(root: string, path: string, content: string | Buffer, mode = 0o644): void {
  const target = join(root, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, content);
  chmodSync(target, mode);
}

export function copy(root: string, path: string, source: string, mode = 0o644): void {
  const target = join(root, path);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(source, target);
  chmodSync(target, mode);
}

export function copyFolder(
  root: string,
  path: string,
  source: string,
  wanted: (file: string) => boolean = () => true,
): void {
  for (const file of filesBelow(source).filter(wanted)) {
    copy(root, join(path, file), join(source, file));
  }
}

/** One time and one set of folder rights, whoever builds and whatever their umask. */
export function settle(root: string, date: Date): void {
  for (const folder of [root, ...foldersBelow(root)]) chmodSync(folder, 0o755);
  for (const path of [...filesBelow(root).map((file) => join(root, file)), ...foldersBelow(root)]) {
    lutimesSync(path, date, date);
  }
  lutimesSync(root, date, date);
}

/** Bytes as files hold them, without what a file system adds. */
export const bytesBelow = (folder: string): number =>
  filesBelow(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);

/** As Debian counts a package's Installed-Size: KiB, each file and folder rounded up. */
export const installedKib = (folder: string): number =>
  filesBelow(folder).reduce(
    (sum, file) => sum + Math.ceil(statSync(join(folder, file)).size / 1024),
    foldersBelow(folder).length,
  );

export const read = (path: string): string => readFileSync(path, 'utf8');
