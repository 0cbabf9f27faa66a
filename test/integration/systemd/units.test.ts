import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serviceFiles, thisProgram } from '../../../src/cli/service-units.ts';

const SHIPPED = resolve(import.meta.dirname, '../../../systemd');
const SERVICES = ['twowatt.service', 'twowatt-cpufreq.service', 'twowatt-fleet.service'];
const MOST_EXPOSED = 1.5;

const analyze = spawnSync('systemd-analyze', ['--version']).status === 0;
if (!analyze) console.warn('the units are not judged: systemd-analyze is not installed');

describe.skipIf(!analyze)('the units, as systemd judges them', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'twowatt-units-'));
    for (const { path, content } of serviceFiles(thisProgram(), null)) {
      if (!path.startsWith('/etc/systemd/system/')) continue;
      writeFileSync(join(folder, basename(path)), content);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([...SERVICES, 'twowatt.target'])('%s gives systemd nothing to say', (unit) => {
    const { status, stdout, stderr } = spawnSync(
      'systemd-analyze',
      ['verify', join(folder, unit)],
      // Our folder, then the machine's own: units refer to each other.
      { encoding: 'utf8', env: { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` } },
    );
    expect(stdout + stderr).toBe('');
    expect(status).toBe(0);
  });

  it.each(SERVICES)(`%s is exposed by at most ${MOST_EXPOSED}`, (unit) => {
    const report = execFileSync(
      'systemd-analyze',
      ['security', '--offline=true', '--no-pager', join(SHIPPED, unit)],
      { encoding: 'utf8' },
    );
    const exposure = Number(/Overall exposure level for \S+ (\d+\.\d)/.exec(report)?.[1]);
    expect(exposure).toBeGreaterThan(0);
    expect(exposure).toBeLessThanOrEqual(MOST_EXPOSED);
  });
});

const sysusers = spawnSync('systemd-sysusers', ['--version']).status === 0;

describe('users and groups', () => {
  it.skipIf(!sysusers)('are made in an empty system, with the groups of the sensors', () => {
    const root = mkdtempSync(join(tmpdir(), 'twowatt-users-'));
    try {
      for (const { path, content } of serviceFiles(thisProgram(), null)) {
        mkdirSync(dirname(join(root, path)), { recursive: true });
        writeFileSync(join(root, path), content);
      }
      execFileSync('systemd-sysusers', [`--root=${root}`, 'twowatt.conf'], { stdio: 'pipe' });
      const read = (name: string) => readFileSync(join(root, 'etc', name), 'utf8');
      expect(read('passwd')).toMatch(/^twowatt:x:\d+:\d+:[^:]*:\/var\/lib\/twowatt:\S*nologin$/m);
      expect(read('passwd')).toMatch(/^twowatt-fleet:x:/m);
      expect(read('group')).toMatch(/^i2c:x:\d+:twowatt$/m);
      expect(read('group')).toMatch(/^video:x:\d+:twowatt$/m);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});
