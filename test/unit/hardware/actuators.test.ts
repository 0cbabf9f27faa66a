import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { openActuators } from '../../../src/hardware/index.ts';
import { clampToSteps } from '../../../src/hardware/actuators.ts';
import { materialise } from '../../fixtures/sysfs/materialise.ts';

let folder: string;
let roots: { sysfsRoot: string; procRoot: string };
let warnings: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'twowatt-actuators-'));
  roots = materialise('orange-pi-5', folder);
  warnings = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const logger = { ...silentLogger, warn: (_fields: unknown, text: string) => warnings.push(text) };
const open = () => openActuators({ ...roots, stateFolder: join(folder, 'state'), logger });
const file = (policy: number, name = 'scaling_max_freq') =>
  join(roots.sysfsRoot, `devices/system/cpu/cpufreq/policy${policy}`, name);
const khz = () => [0, 4, 6].map((policy) => Number(readFileSync(file(policy), 'utf8')));
const record = () => join(folder, 'state/cpufreq-before.json');
const FOUND = [1800000, 2400000, 2400000];

describe('the clock', () => {
  it('is bounded to steps that each policy has, and put back', () => {
    const actuators = open();
    expect(actuators.canScale()).toBe(true);
    expect(actuators.availableKhz().at(-1)).toBe(2400000);
    expect(existsSync(record())).toBe(false);
    expect(actuators.apply({ threads: 2, maxFreqKhz: 2100000 })).toEqual({
      maxFreqKhz: 2016000,
      canScale: true,
    });
    expect(khz()).toEqual([1800000, 2016000, 2016000]);
    expect(readFileSync(file(4), 'utf8')).toBe('2016000\n');
    actuators.apply({ threads: 2, maxFreqKhz: 1 });
    expect(khz()).toEqual([408000, 408000, 408000]);
    expect(readFileSync(file(4), 'utf8')).toBe('408000\n');
    actuators.apply({ threads: 2, maxFreqKhz: null });
    expect(khz()).toEqual(FOUND);
    actuators.apply({ threads: 2, maxFreqKhz: 600000 });
    actuators.close();
    expect(khz()).toEqual(FOUND);
    expect(existsSync(record())).toBe(false);
  });

  it('is never raised above what was found, and left alone without an order', () => {
    writeFileSync(file(4), '1200000\n');
    const actuators = open();
    actuators.apply({ threads: 1, maxFreqKhz: null });
    expect(existsSync(record())).toBe(false);
    actuators.apply({ threads: 1, maxFreqKhz: 2400000 });
    expect(khz()).toEqual([1800000, 1200000, 2400000]);
    actuators.close();
  });

  it("is the operator's when somebody else changes it meanwhile", () => {
    const actuators = open();
    actuators.apply({ threads: 1, maxFreqKhz: 1200000 });
    writeFileSync(file(4), '816000\n');
    actuators.apply({ threads: 1, maxFreqKhz: 1416000 });
    expect(khz()).toEqual([1416000, 816000, 1416000]);
    writeFileSync(file(6), '1008000\n');
    actuators.close();
    expect(khz()).toEqual([1800000, 816000, 1008000]);
  });

  it('clamps to steps, and to any clock where there are none', () => {
    const steps = { availableKhz: [600, 800, 1000], minKhz: 700, hardwareMinKhz: 600 };
    expect(clampToSteps(900, steps)).toBe(800);
    expect(clampToSteps(100, steps)).toBe(800);
    expect(clampToSteps(5000, steps)).toBe(1000);
    expect(clampToSteps(850.4, { ...steps, availableKhz: [] })).toBe(850);
  });
});

describe('a file that cannot be written', () => {
  const replaceAll = (make: (path: string) => void) => {
    for (const policy of [0, 4, 6]) {
      const content = readFileSync(file(policy), 'utf8');
      rmSync(file(policy));
      make(file(policy));
      writeFileSync(file(policy, 'kept'), content);
    }
  };

  it('is a fact that is told once, with its reason', () => {
    // A number that the kernel lets everybody read and nobody write, root included.
    replaceAll((path) => symlinkSync('/proc/sys/kernel/ngroups_max', path));
    const actuators = open();
    expect(actuators.canScale()).toBe(false);
    expect(actuators.denied()).toMatch(/no permission|read-only/);
    for (const maxFreqKhz of [600000, 408000, null]) {
      expect(actuators.apply({ threads: 1, maxFreqKhz })).toEqual({
        maxFreqKhz: 65536,
        canScale: false,
      });
    }
    expect(warnings).toHaveLength(1);
    actuators.close();
    expect(existsSync(record())).toBe(false);
  });

  it('is not touched when what was found cannot be remembered first', () => {
    writeFileSync(join(folder, 'state'), 'a file where the state folder should be');
    const actuators = open();
    actuators.apply({ threads: 1, maxFreqKhz: 600000 });
    expect(actuators.canScale()).toBe(false);
    actuators.apply({ threads: 1, maxFreqKhz: 408000 });
    expect(khz()).toEqual(FOUND);
    expect(warnings.filter((text) => text.includes('cannot be bounded'))).toHaveLength(1);
    actuators.close();
  });

  it('is not created, and boards without clocks are told', () => {
    rmSync(join(roots.sysfsRoot, 'devices/system/cpu/cpufreq'), { recursive: true });
    const actuators = open();
    expect(actuators.canScale()).toBe(false);
    expect(actuators.denied()).toMatch(/no cpufreq policy/);
    expect(actuators.apply({ threads: 1, maxFreqKhz: 600000 }).maxFreqKhz).toBeNull();
    actuators.close();
    expect(existsSync(file(0))).toBe(false);
  });

  it('may be a folder', () => {
    replaceAll((path) => mkdirSync(path));
    const actuators = open();
    expect(actuators.canScale()).toBe(false);
    actuators.apply({ threads: 1, maxFreqKhz: 600000 });
    actuators.close();
  });
});

describe('after a kill', () => {
  async function killedRun(): Promise<void> {
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'actuators-child.ts'), folder],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(khz()).toEqual([600000, 600000, 600000]);
    expect(existsSync(record())).toBe(true);
  }

  it('the next start puts the clocks back', async () => {
    await killedRun();
    const actuators = open();
    expect(khz()).toEqual(FOUND);
    expect(existsSync(record())).toBe(false);
    actuators.close();
  });

  it('leaves alone what somebody else set since', async () => {
    await killedRun();
    writeFileSync(file(4), '1416000\n');
    open().close();
    expect(khz()).toEqual([1800000, 1416000, 2400000]);
  });

  it('touches nothing after a reboot', async () => {
    await killedRun();
    writeFileSync(join(roots.procRoot, 'sys/kernel/random/boot_id'), 'another\n');
    open().close();
    expect(khz()).toEqual([600000, 600000, 600000]);
    expect(existsSync(record())).toBe(false);
  });

  it('takes a record that is no record for none', () => {
    mkdirSync(join(folder, 'state'));
    writeFileSync(record(), '{"v":1,"policies":{"../x":{}}}');
    open().close();
    expect(khz()).toEqual(FOUND);
  });
});
