import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chooseProfile, readSocTemperature } from '../../../src/hardware/index.ts';
import { readCpufreq } from '../../../src/hardware/cpufreq.ts';
import { createIna2xx } from '../../../src/hardware/sensors/ina2xx.ts';
import { createIna3221 } from '../../../src/hardware/sensors/ina3221.ts';
import { createThrottling } from '../../../src/hardware/sensors/throttling.ts';
import { profileNamed, startSimulatedBoard } from '../../../src/hardware/sim/index.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

const PID = 4711;

/** A board in a folder, with a process table that the test writes and a clock that it moves. */
function board(profile: string, ambientC = 25) {
  const root = mkdtempSync(join(tmpdir(), 'twowatt-live-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const folder = join(root, 'sys');
  const procRoot = join(root, 'proc');
  const clock = createVirtualClock();
  let ticks = 0;
  const use = (cpuS: number) => {
    ticks += Math.round(cpuS * 100);
    mkdirSync(join(procRoot, String(PID), 'task', String(PID)), { recursive: true });
    const zeros = '0 0 0 0 0 0 0';
    writeFileSync(
      join(procRoot, String(PID), 'stat'),
      `${PID} (node) S 1 1 1 0 -1 0 ${zeros.slice(0, 7)} ${ticks} 0 0 0 20 0 1 0 12345 0 0\n`,
    );
    writeFileSync(join(procRoot, String(PID), 'task', String(PID), 'children'), '');
  };
  use(0);
  const logFile = join(root, 'true.csv');
  const live = startSimulatedBoard({
    folder,
    profile: profileNamed(profile),
    pid: PID,
    clock,
    procRoot,
    ambientC,
    logFile,
  });
  onTestFinished(() => live.stop());
  return { folder, procRoot, clock, live, use, logFile };
}

/** Lets `seconds` pass with so many cores busy. */
async function work(one: ReturnType<typeof board>, seconds: number, cores: number): Promise<void> {
  for (let index = 0; index < seconds * 20; index += 1) {
    one.use(cores / 20);
    await one.clock.advance(50);
  }
}

describe('a simulated board as a folder', () => {
  it('is recognised by its device tree', () => {
    for (const name of ['raspberry-pi-4b', 'raspberry-pi-5', 'raspberry-pi-zero-2-w']) {
      const { folder, procRoot } = board(name);
      const { match } = chooseProfile({
        sysfs_root: folder,
        proc_root: procRoot,
        profile: '',
        profile_overlay: '',
        vcgencmd: '',
      });
      expect(match?.profile.name).toBe(name);
    }
  });

  it('shows its true power to the reader of an INA219', async () => {
    const one = board('raspberry-pi-5');
    const source = createIna2xx({ sysfsRoot: one.folder, boardRail: null });
    source.discover();
    await work(one, 5, 0);
    const idle = source.read(one.clock.monotonicMs()).boardW;
    await work(one, 5, 3);
    const busy = source.read(one.clock.monotonicMs()).boardW;
    if (idle?.ok !== true || busy?.ok !== true) throw new Error('no reading');
    expect(idle.value).toBeCloseTo(1.55, 1);
    expect(busy.value).toBeGreaterThan(idle.value + 1.5);
    expect(Math.abs(busy.value - one.live.plant.sensed().watts)).toBeLessThan(1e-6);
  });

  it('shows the rails of a Jetson, of which the first is all', async () => {
    const one = board('jetson-orin-nano');
    const source = createIna3221({ sysfsRoot: one.folder, boardRail: 'VDD_IN' });
    source.discover();
    await work(one, 5, 4);
    const { rails, boardW } = source.read(one.clock.monotonicMs());
    expect([...rails.keys()]).toEqual(['VDD_IN', 'VDD_CPU_GPU_CV', 'VDD_SOC']);
    if (boardW?.ok !== true) throw new Error('no reading');
    expect(Math.abs(boardW.value - one.live.plant.sensed().watts)).toBeLessThan(0.01);
    const parts = [...rails.values()].slice(1).map((rail) => (rail.ok ? rail.value : Infinity));
    expect(parts.reduce((sum, watts) => sum + watts, 0)).toBeLessThan(boardW.value);
  });

  it('heats up, throttles and says so', async () => {
    const one = board('raspberry-pi-4b', 64);
    const signs = createThrottling({ sysfsRoot: one.folder, vcgencmd: null });
    signs.discover();
    expect(signs.look(0)).toMatchObject({ throttled: [], underVoltage: false, events: 0 });
    const before = readSocTemperature(one.folder, ['cpu-thermal']);
    await work(one, 40, 4);
    const after = readSocTemperature(one.folder, ['cpu-thermal']);
    if (!before.ok || !after.ok) throw new Error('no temperature');
    expect(after.value).toBeGreaterThan(before.value + 5);
    const look = signs.look(one.clock.monotonicMs());
    expect(look.throttled).toContain('soft_temp');
    expect(look.events).toBeGreaterThan(0);
  });

  it('draws less when somebody bounds its clock', async () => {
    const one = board('raspberry-pi-5');
    const [policy] = readCpufreq(one.folder);
    expect(policy).toMatchObject({ hardwareMinKhz: 1_500_000, hardwareMaxKhz: 2_400_000 });
    await work(one, 3, 4);
    const fast = one.live.plant.trueW();
    writeFileSync(join(policy?.folder ?? '', 'scaling_max_freq'), '1500000');
    await work(one, 3, 4);
    expect(one.live.plant.trueW()).toBeLessThan(fast - 1);
    expect(readCpufreq(one.folder)[0]?.currentKhz).toBe(1_500_000);
    // A bound that is no number changes nothing.
    writeFileSync(join(policy?.folder ?? '', 'scaling_max_freq'), '');
    await work(one, 1, 4);
    expect(one.live.plant.freqKhz()).toBe(1_500_000);
  });

  it('idles when the daemon is gone, and logs the truth', async () => {
    const one = board('raspberry-pi-5');
    await work(one, 2, 4);
    rmSync(join(one.procRoot, String(PID)), { recursive: true });
    await one.clock.advance(5000);
    expect(one.live.plant.trueW()).toBeCloseTo(1.55, 1);
    one.live.stop();
    const [head, ...rows] = readFileSync(one.logFile, 'utf8').trim().split('\n');
    expect(head?.split(',')).toHaveLength(7);
    expect(rows).toHaveLength(7 * 20);
    expect(rows.every((row) => row.split(',').every((cell) => Number.isFinite(Number(cell))))).toBe(
      true,
    );
  });

  it('leaves nothing half written behind', async () => {
    const one = board('raspberry-pi-5');
    await work(one, 2, 2);
    expect(readdirSync(join(one.folder, '.staging'))).toEqual([]);
  });
});
