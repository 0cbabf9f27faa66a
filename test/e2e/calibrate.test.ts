import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createSystemClock } from '../../src/core/index.ts';
import type { Calibration } from '../../src/hardware/calibration/index.ts';
import { checkOverlay, type ProfileOverlay } from '../../src/hardware/index.ts';
import { profileNamed, startSimulatedBoard } from '../../src/hardware/sim/index.ts';
import { runCli, startCli, until } from '../integration/cli/cli-process.ts';

const BOARD = 'raspberry-pi-4b';
const POLICY = 'devices/system/cpu/cpufreq/policy0';
const FOUND_KHZ = 1_800_000;
/** Of the Pi 4's profile, which the plant is made from. */
const CORE_W = { 1_200_000: 0.568, 1_800_000: 1.051 };

/** A folder for everything, and the real command with the real engine on a live simulated board in it. */
function calibrating(args: string[]) {
  const root = mkdtempSync(join(tmpdir(), 'twowatt-calibrate-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true, maxRetries: 5 }));
  const sys = join(root, 'sys');
  const set = [
    `hardware.sysfs_root=${sys}`,
    `node.state_folder=${join(root, 'state')}`,
    `model.cache_path=${join(tmpdir(), `twowatt-test-models-${process.getuid?.() ?? 0}`)}`,
  ].flatMap((setting) => ['--set', setting]);
  const run = startCli(root, ['profile', 'calibrate', ...set, ...args], { input: '' });
  onTestFinished(() => run.signal('SIGKILL'));
  const clock = createSystemClock();
  const logFile = join(root, 'truth.csv');
  const startedMs = clock.monotonicMs();
  const plant = startSimulatedBoard({
    folder: sys,
    profile: profileNamed(BOARD),
    pid: run.pid,
    clock,
    logFile,
  });
  onTestFinished(() => plant.stop());
  const boundKhz = () => Number(readFileSync(join(sys, POLICY, 'scaling_max_freq'), 'utf8'));
  const cli = (...more: string[]) => runCli(root, [...more, ...set]);
  return { root, sys, run, plant, logFile, startedMs, boundKhz, cli };
}

/** What the plant itself logged: seconds since its start, its watts, and the cores that were busy. */
function truthOf(logFile: string) {
  const rows = readFileSync(logFile, 'utf8').trim().split('\n').slice(1);
  return rows.map((row) => {
    const [atS = 0, trueW = 0, aboveIdleW = 0, , , coresBusy = 0] = row.split(',').map(Number);
    return { atS, trueW, aboveIdleW, coresBusy };
  });
}

// Other programs of this machine take cores away in the middle of a repeat.
const PATIENT = ['--tolerance', '90'];

// Once more when this machine was so busy that the engine hardly ran: then refusing is right.
describe('calibrating the real engine on a live simulated board', { retry: 1 }, () => {
  it('learns what the plant draws, puts the clock back and lays the figures over the profile', async () => {
    const threads = availableParallelism() > 1 ? '1,2' : '1';
    const chart = join(tmpdir(), `twowatt-hull-${process.pid}.svg`);
    onTestFinished(() => rmSync(chart, { force: true }));
    const length = '--seconds 2 --repeats 2 --warmup 1 --idle 3'.split(' ');
    const points = ['--threads', threads, '--clocks', '1200000,1800000'];
    const one = calibrating([...points, ...length, '--chart', chart, '--json', ...PATIENT]);
    const code = await one.run.exited;
    expect(one.run.stderr() + code).toMatch(/0$/);
    one.plant.stop();
    const { overlay, calibration, file } = JSON.parse(one.run.stdout()) as {
      overlay: ProfileOverlay;
      calibration: Calibration;
      file: string;
    };

    // The plant's own figures, in the very windows that were measured.
    const truth = truthOf(one.logFile);
    // Its process was starting when the log began, so what lies above idle has to come off.
    const trueIdleW = (truth[0]?.trueW ?? 0) - (truth[0]?.aboveIdleW ?? 0);
    expect(Math.abs(calibration.idle.watts - trueIdleW)).toBeLessThan(0.1);
    expect(calibration.points).toHaveLength(threads.length > 1 ? 4 : 2);
    for (const point of calibration.points) {
      for (const phase of ['decode', 'prefill'] as const) {
        const { watts, windows } = point[phase];
        const inside = truth.filter(({ atS }) =>
          windows.some(({ fromMs, toMs }) => {
            const atMs = one.startedMs + atS * 1000;
            return atMs >= fromMs && atMs <= toMs;
          }),
        );
        expect(inside.length).toBeGreaterThan(20);
        const trueW = inside.reduce((sum, { aboveIdleW }) => sum + aboveIdleW, 0) / inside.length;
        const off = Math.abs(watts - trueW);
        expect(off, `${phase} ${JSON.stringify(point)}, truly ${trueW}`).toBeLessThan(
          0.05 + 0.12 * trueW,
        );
        // A core costs what the profile says, give or take memory, waiting and what noise there is.
        const busy = inside.reduce((sum, row) => sum + row.coresBusy, 0) / inside.length;
        const coreW = CORE_W[point.freqKhz as keyof typeof CORE_W];
        expect(watts / busy / coreW, `a core's watts, ${phase}`).toBeGreaterThan(0.6);
        expect(watts / busy / coreW, `a core's watts, ${phase}`).toBeLessThan(1.6);
      }
      expect(point.decode.tokensPerS).toBeGreaterThan(0);
      expect(point.prefill.tokensPerS).toBeGreaterThan(point.decode.tokensPerS);
    }
    expect(one.boundKhz()).toBe(FOUND_KHZ);
    expect(existsSync(join(one.root, 'state', 'cpufreq-before.json'))).toBe(false);
    expect(checkOverlay(JSON.parse(readFileSync(file, 'utf8')))).toEqual({ ok: true, overlay });
    expect(readFileSync(chart, 'utf8')).toMatch(/^<svg [\s\S]*<polyline[\s\S]*<\/svg>\n$/);

    const shown = await one.cli('profile', 'show', '--json');
    const { profile } = JSON.parse(shown.stdout) as { profile: { operating_points: unknown[] } };
    expect(profile.operating_points).toEqual(overlay.operating_points);
    const text = await one.cli('profile', 'show');
    expect(text.stdout).toContain(
      `Calibrated ${overlay.measured.at.slice(0, 10)} with twowatt-nano`,
    );
    expect(text.stdout).toMatch(/Expect .* measured: /);
  }, 240_000);

  it('puts the clock back when it is interrupted, and writes nothing', async () => {
    const one = calibrating(['--threads', '1', '--clocks', '600000', '--idle', '1', ...PATIENT]);
    await until(() => existsSync(join(one.sys, POLICY)) && one.boundKhz() === 600_000, 'the bound');
    one.run.signal('SIGINT');
    expect(await one.run.exited).toBe(130);
    expect(one.run.stderr()).toContain('interrupted: clocks are as they were');
    expect(one.boundKhz()).toBe(FOUND_KHZ);
    expect(existsSync(join(one.root, 'state', 'profile-overlay.json'))).toBe(false);
  }, 60_000);

  it('puts the clock back at the next start when it was killed', async () => {
    const args = ['--threads', '1', '--clocks', '600000', '--idle', '1', ...PATIENT];
    const one = calibrating(args);
    await until(() => existsSync(join(one.sys, POLICY)) && one.boundKhz() === 600_000, 'the bound');
    one.run.signal('SIGKILL');
    await one.run.exited;
    expect(one.boundKhz()).toBe(600_000);
    // Any start will do, also one that ends for a fault of its own.
    const next = await one.cli('profile', 'calibrate', '--threads', '99');
    expect(next.stderr).toContain('threads: 99');
    expect(one.boundKhz()).toBe(FOUND_KHZ);
  }, 60_000);

  it('takes a meter’s values from a file, and says when they are nonsense', async () => {
    const one = calibrating(['--threads', '1', '--clocks', '600000', '--idle', '1', ...PATIENT]);
    one.run.signal('SIGKILL');
    await one.run.exited;
    const file = join(one.root, 'meter.json');
    const row = { threads: 1, freq_khz: 1_800_000, decode_w: 4.1, prefill_w: 4.2 };
    const calibrate = (content: unknown) => {
      writeFileSync(file, JSON.stringify(content));
      const quick = ['--seconds', '1', '--repeats', '1', '--warmup', '0', '--idle', '1'];
      return one.cli('profile', 'calibrate', '--watts', file, ...quick, '--json');
    };
    const good = await calibrate({ idle_w: 3.02, points: [row] });
    expect(good.stderr).not.toContain('twowatt:');
    const { overlay } = JSON.parse(good.stdout) as { overlay: ProfileOverlay };
    expect(overlay.power?.idle_w?.value).toBe(3.02);
    expect(overlay.operating_points?.[0]).toMatchObject({ watts: 1.08, prefill_watts: 1.18 });

    const cold = await calibrate({ idle_w: 4.2, points: [row] });
    expect(cold).toMatchObject({ code: 1, stdout: '' });
    expect(cold.stderr).toContain('the noise is larger than the signal');
    const wrong = await calibrate({ idle_w: 3, points: [{ ...row, freq_khz: 123 }] });
    expect(wrong.stderr).toContain('no step of 123 kHz');
    const bare = await calibrate({ points: [row] });
    expect(bare.stderr).toContain('meter.json: idle_w');
  }, 120_000);
});
