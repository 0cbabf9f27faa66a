import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuiltPackage, buildDeb, expectAtMost } from '../../../packaging/build-deb.ts';
import type { Bom } from '../../../packaging/sbom.ts';
import { filesBelow } from '../../../packaging/tree.ts';

const here = process.arch === 'arm64' ? 'arm64' : 'x64';
const target = { debian: here === 'x64' ? ('amd64' as const) : here, node: here } as const;
const hasDpkg = spawnSync('dpkg-deb', ['--version']).status === 0;
const DATE = new Date('2026-01-02T03:04:05Z');
const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

describe.skipIf(!hasDpkg)('the Debian package', () => {
  let folder: string;
  let root: string;
  let built: BuiltPackage;
  const build = (out: string) =>
    buildDeb({ target, out: join(folder, out), date: DATE, compression: 'gzip' });
  const inRoot = (path: string) => join(root, path);

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'twowatt-package-'));
    root = join(folder, 'root');
    built = build('first');
    execFileSync('dpkg-deb', ['-x', built.file, root]);
  }, 600_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** The program as it would run when installed, with a home of its own. */
  function twowatt(...args: string[]): { status: number | null; output: string; error: string } {
    const run = spawnSync(
      inRoot('usr/lib/twowatt/bin/node'),
      [inRoot('usr/lib/twowatt/bin/twowatt.js'), ...args],
      {
        encoding: 'utf8',
        env: { PATH: '/usr/bin:/bin', HOME: join(folder, 'home'), TMPDIR: folder, NO_COLOR: '1' },
        timeout: 120_000,
      },
    );
    return { status: run.status, output: run.stdout, error: run.stderr };
  }

  it('is the same file again when it is built again', () => {
    expect(digest(build('second').file)).toBe(digest(built.file));
  }, 600_000);

  it('takes at most 190 MB when installed, and a build that takes more fails', () => {
    expect(built.installedBytes).toBeLessThanOrEqual(190e6);
    expect(() => expectAtMost('a.deb', 65_100_000, 65e6)).toThrow(
      'a.deb: 65.1 MB, more than 65.0 MB',
    );
  });

  it('serves a broker, a board and a cloud and answers, all from the pruned tree', () => {
    const { status, output, error } = twowatt('demo', '--once', '--json');
    expect(error).toBe('');
    expect(status).toBe(0);
    expect(output).toContain('"type":"done"');
  }, 130_000);

  it('can tell systemd that it is ready: the foreign-function library loads', () => {
    const script = "import('koffi').then((koffi) => koffi.default.load('libc.so.6'))";
    const run = spawnSync(inRoot('usr/lib/twowatt/bin/node'), ['-e', script], {
      cwd: inRoot('usr/lib/twowatt'),
      encoding: 'utf8',
    });
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
  });

  it('says what to do instead where a part was left out', () => {
    const { status, error } = twowatt('sim', '--chart', join(folder, 'chart.png'));
    expect(status).toBe(1);
    expect(error).toContain('write a .svg instead');
  }, 60_000);

  it('is configured with one line', () => {
    const file = inRoot('etc/twowatt/config.yaml');
    const url = () => {
      const { output, status } = twowatt('config', '--json', '--config', file);
      expect(status).toBe(0);
      return output;
    };
    expect(url()).toContain('mqtt://127.0.0.1:1883');
    appendFileSync(file, 'mqtt.url: mqtt://gateway.example:1884\n');
    expect(url()).toContain('mqtt://gateway.example:1884');
  });

  it('depends on nothing but the C and C++ libraries, and marks its settings as such', () => {
    const field = (name: string) =>
      execFileSync('dpkg-deb', ['-f', built.file, name], { encoding: 'utf8' }).trim();
    expect(field('Depends')).toBe('libc6 (>= 2.28), libgcc-s1 (>= 4.5), libstdc++6 (>= 6)');
    expect(field('Pre-Depends') + field('Recommends')).toBe('');
    expect(field('Architecture')).toBe(target.debian);
    const control = join(folder, 'control');
    execFileSync('dpkg-deb', ['-e', built.file, control]);
    expect(readFileSync(join(control, 'conffiles'), 'utf8')).toBe('/etc/twowatt/config.yaml\n');
    for (const script of ['postinst', 'prerm', 'postrm']) {
      const text = readFileSync(join(control, script), 'utf8');
      expect(text).not.toMatch(/@[A-Z_]+@/);
      execFileSync('sh', ['-n', join(control, script)]);
    }
  });

  it('has no sources, types, tests, source maps or other platforms’ files', () => {
    const files = filesBelow(root);
    expect(files.filter((file) => /\.(?:[cm]?ts|map|dll|dylib)$|\/tests?\//.test(file))).toEqual(
      [],
    );
    // OpenTelemetry has one small script for each platform, and names them all.
    const foreign = /onnxruntime-web|sharp|musl|(?<!getMachineId-)(?:darwin|win32)/;
    expect(files.filter((file) => foreign.test(file))).toEqual([]);
    for (const file of [
      'usr/bin/twowatt',
      'usr/lib/systemd/system/twowatt.service',
      'usr/share/bash-completion/completions/twowatt',
      'usr/lib/twowatt/models/twowatt-nano/model.safetensors',
      'usr/lib/twowatt/device-profiles/raspberry-pi-5.json',
      'usr/share/doc/twowatt/operating.md',
      'usr/share/doc/twowatt/node-licences.txt',
    ]) {
      expect(files).toContain(file);
    }
    const manual = gunzipSync(readFileSync(inRoot('usr/share/man/man1/twowatt.1.gz'))).toString();
    expect(manual).toContain('.TH TWOWATT 1 "2026-01-02"');
  });

  it('lists every bundled package in its SBOM and its copyright file, with a licence', () => {
    const bom = JSON.parse(readFileSync(built.sbomFile, 'utf8')) as Bom;
    expect(readFileSync(inRoot('usr/share/doc/twowatt/sbom.cdx.json'), 'utf8')).toBe(
      readFileSync(built.sbomFile, 'utf8'),
    );
    const shipped = filesBelow(inRoot('usr/lib/twowatt/node_modules'))
      .filter((file) => /^(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+\/package\.json$/.test(file))
      .map((file) =>
        JSON.parse(readFileSync(inRoot(`usr/lib/twowatt/node_modules/${file}`), 'utf8')),
      )
      .map(({ name, version }: { name: string; version: string }) => `${name}@${version}`);
    const listed = bom.components.map(({ name, version }) => `${name}@${version}`);
    const files = new Set(['node', 'onnxruntime', 'twowatt-nano']);
    expect(listed.filter((one) => !files.has(one.slice(0, one.lastIndexOf('@')))).sort()).toEqual(
      shipped.sort(),
    );
    for (const { hashes, licenses, name } of bom.components) {
      expect(hashes?.[0]?.content, name).toMatch(/^[0-9a-f]{64,128}$/);
      expect(licenses, name).toHaveLength(1);
    }
    const refs = new Set([bom.metadata.component, ...bom.components].map((one) => one['bom-ref']));
    for (const { ref, dependsOn = [] } of bom.dependencies) {
      for (const one of [ref, ...dependsOn]) expect(refs).toContain(one);
    }
    const node = bom.components.find(({ name }) => name === 'node');
    expect(node?.hashes?.[0]?.content).toBe(digest(inRoot('usr/lib/twowatt/bin/node')));

    const copyright = readFileSync(inRoot('usr/share/doc/twowatt/copyright'), 'utf8');
    for (const one of shipped) {
      expect(copyright).toContain(`npm package ${one.replace(/@(?=[^@]*$)/, ' ')}`);
    }
    // Every licence that a part names has its text in the file.
    const named = [...copyright.matchAll(/^License: (.+)$/gm)].map(([, name]) => name);
    const texts = [...copyright.matchAll(/^License: (.+)\n /gm)].map(([, name]) => name);
    expect(new Set(named)).toEqual(new Set(texts));
    expect(existsSync('/usr/share/common-licenses/Apache-2.0') || !hasDpkg).toBe(true);
  });
});
