import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Program,
  serviceFiles,
  standingOf,
  writeServiceFile,
} from '../../../src/cli/service-units.ts';

const unitFor = (program: Program, name = 'twowatt.service') =>
  serviceFiles(program, 252).find(({ path }) => path.endsWith(`/${name}`))?.content ?? '';

describe('units as they are installed', () => {
  it('start twowatt and Node from where they lie', () => {
    const program = { node: '/usr/local/bin/node', script: '/opt/twowatt/bin/twowatt.js' };
    expect(unitFor(program)).toMatch(
      /^ExecStart=\/usr\/local\/bin\/node \/opt\/twowatt\/bin\/twowatt\.js run$/m,
    );
    expect(unitFor(program, 'twowatt-fleet.service')).toContain('twowatt.js fleet serve\n');
    expect(unitFor(program)).toMatch(/^ProtectHome=yes$/m);
    expect(unitFor(program)).not.toContain('/usr/bin/twowatt');
  });

  it('quote what systemd would take apart or expand', () => {
    const unit = unitFor({ node: '/opt/my node', script: '/srv/50%/$x/twowatt.js' });
    expect(unit).toContain('ExecStart="/opt/my node" "/srv/50%%/$$x/twowatt.js" run\n');
  });

  it('show a package in a home to the services, and nothing else of that home', () => {
    const node = '/home/pi/.nvm/versions/node/v24.1.0/bin/node';
    const unit = unitFor({ node, script: '/home/pi/twowatt/bin/twowatt.js' });
    expect(unit).toMatch(/^ProtectHome=tmpfs$/m);
    expect(unit).toContain(`BindReadOnlyPaths=${node}\nBindReadOnlyPaths=/home/pi/twowatt\n`);
    const helper = unitFor(
      { node, script: '/home/pi/t/bin/twowatt.js' },
      'twowatt-cpufreq.service',
    );
    expect(helper).toMatch(/^ProtectHome=yes$/m);
  });

  it('have a growing delay between restarts only where systemd knows one', () => {
    const program = { node: '/usr/bin/node', script: '/opt/twowatt/bin/twowatt.js' };
    const delays = (version: number | null) =>
      serviceFiles(program, version).filter(({ content }) => content.includes('RestartSteps='));
    expect(delays(null)).toEqual([]);
    expect(delays(252)).toEqual([]);
    expect(delays(254).map(({ path }) => path)).toEqual([
      '/etc/systemd/system/twowatt.service.d/backoff.conf',
    ]);
  });
});

describe('how a file stands', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'twowatt-units-'));
    path = join(folder, 'a', 'twowatt.service');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const old = unitFor({ node: '/old/node', script: '/opt/twowatt/bin/twowatt.js' });
  const wanted = unitFor({ node: '/usr/bin/node', script: '/opt/twowatt/bin/twowatt.js' });

  it('tells ours from an edited one and a foreign one', () => {
    expect(standingOf(path, wanted)).toBe('absent');
    writeServiceFile(path, wanted);
    expect(standingOf(path, wanted)).toBe('same');
    writeServiceFile(path, old);
    expect(standingOf(path, wanted)).toBe('ours');
    writeFileSync(path, old.replace('Nice=5', 'Nice=0'));
    expect(standingOf(path, wanted)).toBe('edited');
    writeFileSync(path, '[Service]\nExecStart=/bin/true\n');
    expect(standingOf(path, wanted)).toBe('foreign');
  });

  it('never takes a link for ours, nor writes through it', () => {
    const target = join(folder, 'elsewhere');
    writeFileSync(target, wanted);
    const link = join(folder, 'twowatt.service');
    symlinkSync(target, link);
    expect(standingOf(link, wanted)).toBe('foreign');
    writeServiceFile(link, old);
    expect(readFileSync(target, 'utf8')).toBe(wanted);
    expect(readFileSync(link, 'utf8')).toBe(old);
  });
});
