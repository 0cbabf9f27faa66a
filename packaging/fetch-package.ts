import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A package that this machine's own install does not have: another architecture's binaries. Fetched
 * with npm, kept in `cache`, and believed only when its SHA-512 is the pinned one.
 *
 * @returns the folder that it was unpacked to
 * @throws Error when npm cannot fetch it or when the bytes are not the pinned ones
 */
export function fetchPackage(options: {
  name: string;
  version: string;
  integrity: string;
  cache: string;
  /** Where to unpack; the caller removes it. */
  work: string;
}): string {
  const { name, version, integrity, cache } = options;
  mkdirSync(cache, { recursive: true });
  const tarball = join(cache, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`);
  if (!existsSync(tarball)) {
    const fetched = mkdtempSync(join(cache, '.fetch-'));
    try {
      const args = ['pack', '--silent', '--ignore-scripts', '--prefer-offline'];
      execFileSync('npm', [...args, '--pack-destination', fetched, `${name}@${version}`], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const made = join(fetched, tarball.slice(cache.length + 1));
      expectIntegrity(made, integrity);
      renameSync(made, tarball);
    } finally {
      rmSync(fetched, { recursive: true, force: true });
    }
  }
  // Also what was kept: a file in a cache is only as good as the disk and whoever may write there.
  expectIntegrity(tarball, integrity);
  const folder = mkdtempSync(join(options.work, 'unpacked-'));
  execFileSync('tar', ['xzf', tarball, '-C', folder, '--strip-components=1', '--no-same-owner']);
  return folder;
}

/** @throws Error when the file's digest is not the one of an npm integrity string (sha512-BASE64). */
export function expectIntegrity(file: string, integrity: string): void {
  const found = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
  if (found !== integrity) {
    throw new Error(`${file}: expected ${integrity}, found ${found}; refusing to package it`);
  }
}
