import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { missingModules } from '../../../packaging/completeness.ts';
import { isShipped, LEFT_OUT } from '../../../packaging/contents.ts';
import { expectIntegrity } from '../../../packaging/fetch-package.ts';
import { productionPackages } from '../../../packaging/production-packages.ts';
import { type Target, targetsOf } from '../../../packaging/target.ts';
import { unitFiles, enabledUnits, expectOwnProgram } from '../../../packaging/units.ts';
import { filesBelow } from '../../../packaging/tree.ts';

const CHECKOUT = resolve(import.meta.dirname, '../../..');
const arm64: Target = { debian: 'arm64', node: 'arm64' };
const amd64: Target = { debian: 'amd64', node: 'x64' };

const inFolder = { path: '' };
beforeEach(() => {
  inFolder.path = mkdtempSync(join(tmpdir(), 'twowatt-packaging-'));
});
afterEach(() => rmSync(inFolder.path, { recursive: true, force: true }));
const write = (file: string, content: string) => {
  const path = join(inFolder.path, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
};

describe('which packages ship', () => {
  it('brings what every production dependency needs, and none of those left out', () => {
    const names = productionPackages(CHECKOUT, arm64).map(({ name }) => name);
    const { dependencies } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    for (const name of Object.keys(dependencies)) {
      expect(names.includes(name), name).toBe(!(name in LEFT_OUT));
    }
    expect(names).toContain('mqtt-packet');
    expect(names.filter((name) => name.startsWith('@types/') || name === 'typescript')).toEqual([]);
  });

  it('brings the native helper of the target, and no other', () => {
    const natives = (target: Target) =>
      productionPackages(CHECKOUT, target)
        .map(({ name }) => name)
        .filter((name) => name.startsWith('@koromix/'));
    expect(natives(arm64)).toEqual(['@koromix/koffi-linux-arm64']);
    expect(natives(amd64)).toEqual(['@koromix/koffi-linux-x64']);
  });

  it('pins the Node that the tests run with', () => {
    const { version } = JSON.parse(
      readFileSync(join(CHECKOUT, 'packaging/runtime.json'), 'utf8'),
    ) as { version: string };
    expect(`v${version}`).toBe(process.version);
  });
});

describe('which files of a package ship', () => {
  const ort = 'onnxruntime-node';
  it.each([
    [ort, 'bin/napi-v6/linux/arm64/libonnxruntime.so.1', true],
    [ort, 'bin/napi-v6/linux/x64/libonnxruntime.so.1', false],
    [ort, 'bin/napi-v6/win32/arm64/onnxruntime.dll', false],
    [ort, 'script/install.js', false],
    ['@huggingface/transformers', 'src/tokenization_utils.js', true],
    ['@huggingface/transformers', 'dist/transformers.node.mjs', false],
    ['mqtt', 'build/index.js', true],
    ['mqtt', 'build/index.js.map', false],
    ['mqtt', 'build/bin/mqtt.js', false],
    ['fastify', 'fastify.d.ts', false],
    ['fastify', 'LICENSE', false],
    ['fastify', 'package.json', true],
    ['pino', 'lib/proto.js', true],
    ['pino', 'test/basic.test.js', false],
  ])('%s: %s', (name, file, shipped) => {
    expect(isShipped(name, file, arm64)).toBe(shipped);
  });
});

describe('what shipped code names', () => {
  const check = () =>
    missingModules({
      staged: join(inFolder.path, 'staged'),
      full: join(inFolder.path, 'full'),
      files: filesBelow(join(inFolder.path, 'staged')),
      target: arm64,
    });

  it('is found missing when a file was left behind', () => {
    write('staged/node_modules/a/index.js', "require('./lib/used'); require('./lib/gone.js');");
    write('staged/node_modules/a/lib/used.js', '');
    write('full/node_modules/a/lib/gone.js', '');
    expect(check()).toEqual(['node_modules/a/index.js: ./lib/gone.js']);
  });

  it('is found missing when a package was left behind', () => {
    write('staged/dist/main.js', "import { x } from 'b/deep';\nimport('node:fs');");
    expect(check()).toEqual(['dist/main.js: b/deep']);
    write('staged/node_modules/b/package.json', '{}');
    expect(check()).toEqual([]);
  });

  it('may be left out where the list says why, and only there', () => {
    write('staged/dist/cli/chart/png.js', "await import('sharp');");
    expect(check()).toEqual([]);
    write('staged/dist/daemon/start.js', "await import('sharp');");
    expect(check()).toEqual(['dist/daemon/start.js: sharp']);
  });

  it('does not count comments, nor files that the full install lacks too', () => {
    write(
      'staged/dist/main.js',
      "/** @type {import('gone')} */\n// require('gone')\nrequire('./x')",
    );
    expect(check()).toEqual([]);
  });
});

describe('units', () => {
  it('all have a place in the package, and start its own program', () => {
    const files = unitFiles(join(CHECKOUT, 'systemd'));
    expect(files).toContainEqual({
      source: 'twowatt.service',
      target: 'usr/lib/systemd/system/twowatt.service',
    });
  });

  it('a file of an unknown kind is refused instead of being forgotten', () => {
    write('twowatt.mystery', '');
    expect(() => unitFiles(inFolder.path)).toThrow('systemd/twowatt.mystery');
  });

  it('only the board’s units are enabled by an installation', () => {
    const install = '[Install]\nWantedBy=multi-user.target\n';
    const unit = (name: string, text: string) => ({
      target: `usr/lib/systemd/system/${name}`,
      text,
    });
    const found = enabledUnits([
      unit('twowatt.service', install),
      unit('twowatt-fleet.service', install),
      unit('twowatt-cpufreq.service', '[Unit]\n'),
    ]);
    expect(found).toEqual(['twowatt.service']);
  });

  it('a unit that starts something else is refused', () => {
    expect(() => expectOwnProgram('a.service', 'ExecStart=/opt/twowatt/run\n')).toThrow(
      '/opt/twowatt/run',
    );
    expect(() => expectOwnProgram('a.service', 'ExecStart=/usr/bin/twowatt run\n')).not.toThrow();
  });
});

describe('what is fetched', () => {
  it('is refused when its bytes are not the pinned ones', () => {
    write('a.tgz', 'hello');
    const right =
      'sha512-m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw==';
    expect(() => expectIntegrity(join(inFolder.path, 'a.tgz'), right)).not.toThrow();
    write('a.tgz', 'hellO');
    expect(() => expectIntegrity(join(inFolder.path, 'a.tgz'), right)).toThrow(
      'refusing to package',
    );
  });

  it('an architecture that is not built is refused by name', () => {
    expect(targetsOf('all').map(({ debian }) => debian)).toEqual(['amd64', 'arm64']);
    expect(() => targetsOf('armhf')).toThrow('expected arm64, amd64 or all, found armhf');
  });
});
