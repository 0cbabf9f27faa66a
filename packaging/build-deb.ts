/**
 * Builds the Debian packages: `npm run package:deb [-- --arch arm64|amd64|all] [--out FOLDER]`.
 *
 * Needs an npm install of this checkout and `dpkg-deb`, on any x64 Linux; no compiler, no root, no
 * board. The other architecture's binaries come from the npm registry, with pinned digests. The same
 * commit gives the same bytes (SOURCE_DATE_EPOCH, else the commit's time).
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { renderDebianChangelog } from './changelog.ts';
import { stage, type Staged } from './stage.ts';
import { type Target, targetsOf } from './target.ts';
import { bytesBelow, filesBelow, installedKib, put, read, settle } from './tree.ts';

const CHECKOUT = resolve(import.meta.dirname, '..');
/** As Debian's tools take it from the environment, too. */
const MAINTAINER = `${process.env['DEBFULLNAME'] ?? 'The twowatt authors'} <${process.env['DEBEMAIL'] ?? 'twowatt@packages.invalid'}>`;

/** What a board's disk and a slow line can bear; a build that is larger fails. */
const MOST_INSTALLED_BYTES = 190e6;
const MOST_PACKAGE_BYTES = 65e6;

export type BuiltPackage = {
  file: string;
  sbomFile: string;
  packageBytes: number;
  /** Files as installed, in bytes. */
  installedBytes: number;
};

export function buildDeb(options: {
  target: Target;
  out: string;
  date: Date;
  /** dpkg-deb's `-Z`: xz as shipped; gzip is quicker where size does not matter. */
  compression: 'xz' | 'gzip';
}): BuiltPackage {
  const { target, out, date, compression } = options;
  const { version } = JSON.parse(read(join(CHECKOUT, 'package.json'))) as { version: string };
  const work = mkdtempSync(join(tmpdir(), 'twowatt-deb-'));
  const root = join(work, 'root');
  try {
    const staged = stage({
      checkout: CHECKOUT,
      root,
      cache: join(CHECKOUT, '.cache/packaging'),
      work,
      target,
      version,
      changelog: renderDebianChangelog(
        read(join(CHECKOUT, 'CHANGELOG.md')),
        version,
        MAINTAINER,
        date,
      ),
      date,
    });
    const installedBytes = bytesBelow(root);
    stageControl(root, target, version, staged);
    settle(root, date);

    mkdirSync(out, { recursive: true });
    const file = join(out, `twowatt_${version}_${target.debian}.deb`);
    const level = compression === 'gzip' ? ['-z1'] : [];
    execFileSync(
      'dpkg-deb',
      ['--root-owner-group', `-Z${compression}`, ...level, '-b', root, file],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
        // Several threads cut the stream into blocks, and it would depend on the machine.
        env: {
          ...process.env,
          SOURCE_DATE_EPOCH: String(Math.floor(date.getTime() / 1000)),
          DPKG_DEB_THREADS_MAX: '1',
        },
      },
    );
    const sbomFile = join(out, `twowatt_${version}_${target.debian}.cdx.json`);
    put(out, sbomFile.slice(out.length + 1), staged.sbom);
    const packageBytes = statSync(file).size;
    expectAtMost(`${file}, installed`, installedBytes, MOST_INSTALLED_BYTES);
    // gzip is for tests: its packages are never shipped.
    if (compression === 'xz') expectAtMost(file, packageBytes, MOST_PACKAGE_BYTES);
    return { file, sbomFile, packageBytes, installedBytes };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** @throws Error with both numbers */
export function expectAtMost(what: string, bytes: number, most: number): void {
  if (bytes > most) throw new Error(`${what}: ${megabytes(bytes)}, more than ${megabytes(most)}`);
}

/** The control archive. Its maintainer scripts name the units that this package brings. */
function stageControl(root: string, target: Target, version: string, staged: Staged): void {
  const installed = installedKib(root);
  const sums = filesBelow(root)
    .filter((file) => !file.startsWith('etc/'))
    .map(
      (file) =>
        `${createHash('md5')
          .update(readFileSync(join(root, file)))
          .digest('hex')}  ${file}`,
    );
  const control = read(join(CHECKOUT, 'packaging/debian/control'))
    .replace('@VERSION@', version)
    .replace('@ARCHITECTURE@', target.debian)
    .replace('@MAINTAINER@', MAINTAINER)
    .replace('@INSTALLED_SIZE@', String(installed));
  put(root, 'DEBIAN/control', control);
  put(root, 'DEBIAN/conffiles', '/etc/twowatt/config.yaml\n');
  put(root, 'DEBIAN/md5sums', `${sums.join('\n')}\n`);
  for (const script of ['postinst', 'prerm', 'postrm']) {
    const text = read(join(CHECKOUT, 'packaging/debian', script))
      .replaceAll('@ENABLED_UNITS@', staged.enabledUnits.join(' '))
      .replaceAll('@ALL_UNITS@', staged.units.join(' '));
    put(root, `DEBIAN/${script}`, text, 0o755);
  }
}

/** SOURCE_DATE_EPOCH, else the time of the commit, so that a commit always builds the same. */
function sourceDate(): Date {
  const seconds =
    process.env['SOURCE_DATE_EPOCH'] ??
    execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: CHECKOUT, encoding: 'utf8' });
  return new Date(Number(seconds) * 1000);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      arch: { type: 'string', default: 'all' },
      out: { type: 'string', default: join(CHECKOUT, 'release') },
      fast: { type: 'boolean', default: false },
    },
  });
  for (const target of targetsOf(values.arch)) {
    const built = buildDeb({
      target,
      out: resolve(values.out),
      date: sourceDate(),
      compression: values.fast ? 'gzip' : 'xz',
    });
    process.stdout.write(
      `${built.file}: ${megabytes(built.packageBytes)}, installed ${megabytes(built.installedBytes)}\n`,
    );
  }
}
