import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runCli, temporaryHome } from './cli-process.ts';

const systemctl = spawnSync('systemctl', ['--version']).status === 0;
if (!systemctl) console.warn('service install --root is not tested: systemctl is not installed');

// Several processes one after the other, and each is a whole Node.
vi.setConfig({ testTimeout: 90_000 });

let home: ReturnType<typeof temporaryHome>;
beforeEach(() => {
  home = temporaryHome();
});
afterEach(() => home.remove());

/** A program of this name on a PATH of its own: notes how it is called and prints `says`. */
function fakeProgram(name: string, says = ''): { path: string; calls(): string[] } {
  const folder = join(home.path, 'bin');
  mkdirSync(folder, { recursive: true });
  const log = join(home.path, `${name}.log`);
  writeFileSync(join(home.path, `${name}.says`), says);
  const script = `#!/bin/sh\necho "$*" >> "${log}"\ncat "${join(home.path, `${name}.says`)}"\n`;
  writeFileSync(join(folder, name), script, { mode: 0o755 });
  return {
    path: `${folder}:${process.env['PATH']}`,
    calls: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []),
  };
}

describe.skipIf(!systemctl)('twowatt service --root', () => {
  const units = () => join(home.path, 'root/etc/systemd/system');
  const service = (...args: string[]) =>
    runCli(home.path, ['service', ...args, '--root', join(home.path, 'root')]);

  /** The links point to where the unit will be when that root is the system's. */
  const isLink = (path: string) =>
    lstatSync(join(units(), path), { throwIfNoEntry: false })?.isSymbolicLink() === true;

  it('installs, enables, repeats itself, and takes everything out again', async () => {
    mkdirSync(join(home.path, 'root'));
    const first = await service('install');
    expect(first.stderr).toBe('');
    expect(first.code).toBe(0);
    const unit = readFileSync(join(units(), 'twowatt.service'), 'utf8');
    expect(unit).toContain(`ExecStart=${process.execPath} `);
    expect(isLink('twowatt.target.wants/twowatt.service')).toBe(true);
    expect(isLink('multi-user.target.wants/twowatt.target')).toBe(true);

    const second = await service('install');
    expect(second.code).toBe(0);
    expect(second.stdout).not.toContain('write ');

    const out = await service('uninstall');
    expect(out.code).toBe(0);
    const left = readdirSync(units(), { recursive: true }).map(String);
    expect(left.filter((path) => /twowatt[^/]*\.(service|target)$/.test(path))).toEqual([]);
    expect((await service('uninstall')).stdout).toContain('Nothing is installed here');
  });

  it('does not touch a hand-edited unit without --force, and then keeps a copy', async () => {
    mkdirSync(join(home.path, 'root'));
    await service('install');
    const path = join(units(), 'twowatt.service');
    const edited = `${readFileSync(path, 'utf8')}# mine\n`;
    writeFileSync(path, edited);
    for (const verb of ['install', 'uninstall']) {
      const refused = await service(verb);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain(`${path} (edited since)`);
      expect(readFileSync(path, 'utf8')).toBe(edited);
    }
    expect((await service('install', '--force')).code).toBe(0);
    expect(readFileSync(path, 'utf8')).not.toContain('# mine');
    expect(readFileSync(`${path}.before-twowatt`, 'utf8')).toBe(edited);
  });

  it('writes nothing with --dry-run, and tells it as JSON', async () => {
    mkdirSync(join(home.path, 'root'));
    const { code, stdout } = await service('install', '--dry-run', '--json');
    expect(code).toBe(0);
    const told = JSON.parse(stdout) as { dry_run: boolean; steps: string[] };
    expect(told.dry_run).toBe(true);
    expect(told.steps.filter((step) => step.startsWith('write '))).not.toHaveLength(0);
    expect(readdirSync(join(home.path, 'root'))).toEqual([]);
  });

  it('leaves the units of an installed package alone and only enables them', async () => {
    const packaged = join(home.path, 'root/usr/lib/systemd/system');
    mkdirSync(packaged, { recursive: true });
    for (const name of ['twowatt.service', 'twowatt.target']) {
      writeFileSync(join(packaged, name), readFileSync(join('systemd', name)));
    }
    const { code, stdout } = await service('install');
    expect(code).toBe(0);
    expect(stdout).toContain('The units of the installed package are used');
    expect(existsSync(join(units(), 'twowatt.service'))).toBe(false);
    expect(isLink('twowatt.target.wants/twowatt.service')).toBe(true);
  });
});

describe('twowatt service --manager pm2', () => {
  it('starts the ecosystem file, saves the list, and does not run `pm2 startup` itself', async () => {
    const pm2 = fakeProgram('pm2');
    const { code, stdout } = await runCli(home.path, ['service', 'install', '--manager', 'pm2'], {
      env: { PATH: pm2.path },
    });
    expect(code).toBe(0);
    expect(pm2.calls()).toEqual([
      expect.stringMatching(/^startOrReload .*ecosystem\.config\.cjs$/),
      'save',
    ]);
    expect(stdout).toContain('`pm2 startup`');
  });

  it('ends with 3 where there is no pm2, and with 2 for what goes with systemd', async () => {
    const env = { PATH: join(home.path, 'empty') };
    const missing = await runCli(home.path, ['service', 'install', '--manager', 'pm2'], { env });
    expect(missing.code).toBe(3);
    expect(missing.stderr).toContain('npm install -g pm2');
    const wrong = ['service', 'install', '--manager', 'pm2', '--root', '/x'];
    expect((await runCli(home.path, wrong, { env })).code).toBe(2);
  });

  it('merges what pm2 says with what the daemon answers', async () => {
    const apps = [{ name: 'twowatt', pid: 4711, pm2_env: { status: 'online', restart_time: 2 } }];
    const pm2 = fakeProgram('pm2', `a notice\n${JSON.stringify(apps)}\n`);
    mkdirSync(join(home.path, '.pm2'));
    writeFileSync(join(home.path, '.pm2/pm2.pid'), String(process.pid));
    const daemon = createServer((request, response) => {
      response.statusCode = request.url === '/healthz' ? 200 : 503;
      response.end();
    });
    await new Promise<void>((listening) => daemon.listen(0, '127.0.0.1', listening));
    try {
      const { port } = daemon.address() as AddressInfo;
      const args = [
        'service',
        'status',
        '--manager',
        'pm2',
        '--json',
        '--set',
        `http.port=${port}`,
      ];
      const { code, stdout } = await runCli(home.path, args, { env: { PATH: pm2.path } });
      expect(JSON.parse(stdout)).toMatchObject({
        manager: 'pm2',
        installed: true,
        running: true,
        pid: 4711,
        restarts: 2,
        http: { url: `http://127.0.0.1:${port}`, alive: true, ready: false },
      });
      expect(code).toBe(0);
    } finally {
      daemon.close();
    }
  });

  it('does not wake pm2 to learn that it does not run', async () => {
    const pm2 = fakeProgram('pm2');
    const args = ['service', 'status', '--manager', 'pm2', '--set', 'http.enabled=false'];
    const { code, stdout } = await runCli(home.path, args, { env: { PATH: pm2.path } });
    expect(code).toBe(1);
    expect(stdout).toContain('not installed');
    expect(pm2.calls()).toEqual([]);
  });
});
