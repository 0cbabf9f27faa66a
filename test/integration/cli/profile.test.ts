import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { materialise } from '../../fixtures/sysfs/materialise.ts';
import { runCli, temporaryHome } from './cli-process.ts';

describe('twowatt profile', { timeout: 90_000 }, () => {
  let home: ReturnType<typeof temporaryHome>;
  beforeAll(() => (home = temporaryHome()));
  afterAll(() => home.remove());

  const profile = (...args: string[]) => runCli(home.path, ['profile', ...args]);
  const rootsOf = (board: string) => {
    const folder = join(home.path, board);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    const { sysfsRoot, procRoot } = materialise(board, folder);
    return ['--set', `hardware.sysfs_root=${sysfsRoot}`, '--set', `hardware.proc_root=${procRoot}`];
  };

  it('lists, as text, JSON and Markdown', async () => {
    const list = await profile('list');
    expect(list).toMatchObject({ code: 0, stderr: '' });
    expect(list.stdout).toMatch(/raspberry-pi-5 +Raspberry Pi 5 and Pi 500 .* yes +~\d/);
    const { stdout } = await profile('list', '--json');
    expect(JSON.parse(stdout)).toHaveLength(15);
    expect((await profile('list', '--markdown')).stdout).toMatch(/^\| board \| memory \|/);
  });

  it('shows a named profile, and tells which there are when there is none', async () => {
    const shown = await profile('show', 'raspberry-pi-5');
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(shown.stdout).toContain('Expect 18.4 tokens/s');
    const wrong = await profile('show', 'pi-9');
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toContain('no profile pi-9; expected one of generic-arm64');
  });

  it('finds a Jetson with its sensors, and says by which string', async () => {
    const roots = rootsOf('jetson-orin-nano');
    const found = await profile('detect', ...roots);
    expect(found).toMatchObject({ code: 0, stderr: '' });
    expect(found.stdout).toMatch(/^profile +jetson-orin-nano/m);
    expect(found.stdout).toMatch(/^why .*compatible nvidia,p3/m);
    expect(found.stdout).toMatch(/^ina3221 .*VDD_IN/m);
    expect(found.stdout).toMatch(/^board power +\d+\.\d\d W/m);
    const { stdout } = await profile('detect', '--json', ...roots);
    const body = JSON.parse(stdout) as {
      profile: string;
      now: { boardW: { ok: boolean } };
      actuators: { clocks: { denied: string | null }[] };
      overlay: { state: string };
    };
    expect(body).toMatchObject({ profile: 'jetson-orin-nano', overlay: { state: 'none' } });
    expect(body.now.boardW.ok).toBe(true);
    expect(body.actuators.clocks.length).toBeGreaterThan(0);
  });

  it('says why a calibration of a board is not used', async () => {
    const overlay = join(home.path, 'overlay.json');
    writeFileSync(overlay, '{"v":7}');
    const set = ['--set', `hardware.profile_overlay=${overlay}`];
    const { code, stdout } = await profile('detect', ...rootsOf('raspberry-pi-4b'), ...set);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Calibration ignored: .*overlay\.json: v: /);
    expect(stdout).toContain('board power    – (no power sensor found)');
  });

  it('does not measure without something to read watts from', async () => {
    const roots = rootsOf('raspberry-pi-4b');
    for (const [args, message] of [
      [['--meter'], /--meter asks on a terminal; scripts give --watts/],
      [['--meter', '--watts', 'x'], /either --meter or --watts/],
      [['--watts', 'x', '--threads', '1'], /names the points/],
      [['--seconds', 'long'], /expected a number from 1 to 600/],
      [['--threads', '0'], /expected whole numbers above 0/],
    ] as const) {
      const run = await profile('calibrate', ...args, ...roots);
      expect(run.stderr).toMatch(message);
      expect(run).toMatchObject({ code: 2, stdout: '' });
    }
  });
});
