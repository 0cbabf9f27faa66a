import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

const CHECKOUT = resolve(import.meta.dirname, '../../..');

describe('the npm package', () => {
  let files: string[];
  let unpackedBytes: number;

  beforeAll(() => {
    const args = ['pack', '--dry-run', '--json', '--ignore-scripts', '--silent'];
    const printed = JSON.parse(
      execFileSync('npm', args, {
        cwd: CHECKOUT,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    ) as unknown;
    // npm 12 prints an object by name, older ones a list.
    const [pack] = Object.values(printed as object) as [
      { files: { path: string }[]; unpackedSize: number },
    ];
    files = pack.files.map(({ path }) => path);
    unpackedBytes = pack.unpackedSize;
  }, 60_000);

  it.each([
    'package.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'bin/twowatt.js',
    'dist/cli/main.js',
    'dist/engine/process/main.js',
    'dist/daemon/model-worker.js',
    'dist/doctor/probe-main.js',
    'dist/router/coefficients.json',
    'device-profiles/schema.json',
    'device-profiles/raspberry-pi-5.json',
    'scenarios/steady.json',
    'models/twowatt-nano/model.safetensors',
    'models/twowatt-nano/tokenizer.json',
    'models/twowatt-nano/gate.json',
    'systemd/twowatt.service',
    'ecosystem.config.cjs',
    'dist/fleet/web/index.html',
    'dist/fleet/web/board.html.gz',
  ])('has %s', (path) => {
    expect(files).toContain(path);
  });

  it('has no sources, tests, benches, source maps, build tools or secrets', () => {
    const allowed =
      /^(?:bin|dist|device-profiles|examples|models|scenarios|systemd)\/|^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|ecosystem\.config\.cjs)$/;
    expect(files.filter((path) => !allowed.test(path))).toEqual([]);
    expect(
      files.filter((path) => /\.(?:ts|map|pem|key|sqlite\S*|log|tgz)$|\/\./.test(path)),
    ).toEqual([]);
    expect(files.filter((path) => /^dist\/(?!fleet\/web\/).*(?<!\.js|\.json)$/.test(path))).toEqual(
      [],
    );
  });

  it('is smaller than 20 MB unpacked: the model, the program, nothing else', () => {
    expect(unpackedBytes).toBeLessThan(20e6);
  });
});
