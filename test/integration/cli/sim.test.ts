import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DOMParser } from '@xmldom/xmldom';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { readCpufreq } from '../../../src/hardware/cpufreq.ts';
import { createIna2xx } from '../../../src/hardware/sensors/ina2xx.ts';
import { profileNamed } from '../../../src/hardware/sim/index.ts';
import { runCli, startCli, temporaryHome, until } from './cli-process.ts';

const SMALL = {
  title: 'Small',
  duration_s: 15,
  budget_w: [
    [0, 2],
    [10, 1],
  ],
  load: { kind: 'steady', prompt_tokens: 8, answer_tokens: 24 },
};

describe('twowatt sim', () => {
  let home: ReturnType<typeof temporaryHome>;
  let small: string;
  beforeAll(() => {
    home = temporaryHome();
    small = join(home.path, 'small.json');
    writeFileSync(small, JSON.stringify(SMALL));
  });
  afterAll(() => home.remove());

  it('lists scenarios and boards', async () => {
    const text = await runCli(home.path, ['sim', '--list']);
    expect(text).toMatchObject({ code: 0, stderr: '' });
    expect(text.stdout).toMatch(/^budget-steps +Budget step 4, 2, 1 W, 360 s$/m);
    expect(text.stdout).toMatch(/^boards: .*raspberry-pi-4b/m);
    const { stdout } = await runCli(home.path, ['sim', '--list', '--json']);
    const list = JSON.parse(stdout) as { scenarios: { name: string }[]; boards: string[] };
    expect(list.scenarios.map(({ name }) => name)).toContain('ambient');
    expect(list.boards).toContain('jetson-orin-nano');
  });

  it('prints the figures of a run', async () => {
    const { code, stdout } = await runCli(home.path, ['sim', small, '--board', 'raspberry-pi-4b']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Raspberry Pi 4 .*\(simulated, not measured\): Small, 15 s$/m);
    for (const line of [
      /highest mean of 1 s .* W, .* % of the budget \(at most \+10 %; over in .* % of windows\)/,
      /highest mean of 10 s/,
      /energy +[\d.]+ J\/token/,
      /speed +[\d.]+ tokens\/s, [\d.]+ % of the oracle’s work/,
      /step to 1 W at 10 s +(settled after|not settled)/,
      /temperature +up to [\d.]+ °C, limit 75 °C/,
      /throttle events +0/,
    ]) {
      expect(stdout).toMatch(line);
    }
    expect(stdout).not.toContain('bang-bang');
  });

  it('gives the same figures as JSON, with baselines on the same trace', async () => {
    const args = ['sim', small, '--baselines', '--json', '--seed', '3', '--seconds', '12'];
    const { code, stdout } = await runCli(home.path, args);
    expect(code).toBe(0);
    const told = JSON.parse(stdout) as {
      governor: { mean_w: number; windows: { seconds: number; violations_share: number }[] };
      baselines: Record<string, { mean_w: number }>;
    };
    expect(told).toMatchObject({
      simulated: true,
      board: 'raspberry-pi-5',
      scenario: 'small',
      duration_s: 12,
      scope: 'above_idle',
      budget_w: SMALL.budget_w,
      governor: { throttle_events: 0, budget_steps: [{ at_s: 10, to_w: 1 }] },
    });
    expect(told.governor.windows.map(({ seconds }) => seconds)).toEqual([1, 10]);
    expect(Object.keys(told.baselines)).toEqual([
      'no governor',
      'powersave',
      'fixed duty',
      'bang-bang',
    ]);
    // Without a governor a Pi 5 draws some 3.5 W; with one it may not.
    expect(told.baselines['no governor']?.mean_w).toBeGreaterThan(3);
    expect(told.governor.mean_w).toBeLessThan(2.1);
  });

  it('takes budget, temperature limit and board from the flags that every command has', async () => {
    const set = (setting: string) => ['--set', setting];
    const { code, stdout } = await runCli(home.path, [
      'sim',
      small,
      '--seconds',
      '5',
      '--json',
      ...set('governor.budget_w=1.25'),
      ...set('governor.temperature_limit_c=60'),
      ...set('hardware.profile=raspberry-pi-4b'),
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      board: 'raspberry-pi-4b',
      budget_w: [[0, 1.25]],
      temperature_limit_c: 60,
    });
    const budget = await runCli(home.path, [
      'sim',
      small,
      '--seconds',
      '5',
      '--json',
      '--budget',
      '0.5',
      ...set('governor.budget_w=1.25'),
    ]);
    expect(JSON.parse(budget.stdout)).toMatchObject({ budget_w: [[0, 0.5]] });
  });

  it('draws the run as SVG or PNG by the ending of the file', async () => {
    const svg = join(home.path, 'run.svg');
    const png = join(home.path, 'run.PNG');
    const runs = await Promise.all(
      [svg, png].map((file) => runCli(home.path, ['sim', small, '--chart', file])),
    );
    expect(runs.map(({ code }) => code)).toEqual([0, 0]);
    const root = new DOMParser().parseFromString(
      readFileSync(svg, 'utf8'),
      'image/svg+xml',
    ).documentElement;
    expect(root?.tagName).toBe('svg');
    const { format, width, height } = await sharp(png).metadata();
    // Two pixels for each unit of the drawing.
    expect(format).toBe('png');
    expect(width).toBe(2 * Number(root?.getAttribute('width')));
    expect(height).toBe(2 * Number(root?.getAttribute('height')));
  });

  it('says that a PNG cannot be labelled where there are no fonts', async () => {
    const fonts = join(home.path, 'fonts.conf');
    writeFileSync(
      fonts,
      `<?xml version="1.0"?><fontconfig><cachedir>${home.path}/fonts</cachedir></fontconfig>`,
    );
    const png = join(home.path, 'unlabelled.png');
    const { code, stderr } = await runCli(home.path, ['sim', small, '--chart', png], {
      env: { FONTCONFIG_FILE: fonts },
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/unsupported: this machine has no fonts .* write a \.svg/);
    expect(existsSync(png)).toBe(false);
  });

  it('names every bad key of a scenario file', async () => {
    const bad = join(home.path, 'bad.json');
    writeFileSync(bad, JSON.stringify({ ...SMALL, duration_s: 0, colour: 'red' }));
    const { code, stdout, stderr } = await runCli(home.path, ['sim', bad]);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /scenario bad is not valid\n {2}duration_s: expected seconds .*, found 0\n/,
    );
    expect(stderr).toMatch(/ {2}colour: there is no such key; expected one of title/);
    expect(code).toBe(2);
  });

  it.each([
    [['no-such'], /no scenario no-such; expected one of ambient, budget-steps/],
    [['./nowhere.json'], /nowhere\.json: ENOENT/],
    [['steady', '--board', 'toaster'], /no board toaster to simulate; expected one of/],
    [['steady', '--budget', 'much'], /--budget.*expected a number from 0 to 1000/],
    [['steady', '--seed', '1.5'], /--seed.*expected a whole number/],
    [['steady', '--chart', 'run.jpg'], /--chart.*ends in \.svg or \.png/],
    [['steady', '--pid', '1'], /--pid belongs to --live/],
    [['--live', 'x'], /--live needs --pid/],
    [['--live', 'x', '--pid', '1', '--baselines'], /--baselines has no meaning with --live/],
    [['steady', '--live', 'x', '--pid', '1'], /load comes from a process, not a scenario/],
    [['steady', '--set', 'governor.budget_w=lots'], /governor\.budget_w/],
  ])('%j is wrong usage', async (args, message) => {
    const { code, stdout, stderr } = await runCli(home.path, ['sim', ...args]);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('can be interrupted in the middle of a long run', async () => {
    const run = startCli(home.path, ['sim', 'steady', '--seconds', '86400']);
    onTestFinished(() => run.signal('SIGKILL'));
    await until(() => run.stderr().includes('simulating'), 'the run to begin');
    run.signal('SIGINT');
    expect(await run.exited).toBe(130);
    expect(run.stdout()).toBe('');
  });
});

describe('twowatt sim --live', () => {
  let home: ReturnType<typeof temporaryHome>;
  beforeAll(() => (home = temporaryHome()));
  afterAll(() => home.remove());

  it('keeps a board whose power follows a real process, until that ends', async () => {
    const folder = join(home.path, 'sys');
    const log = join(home.path, 'truth.csv');
    const worker = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
    onTestFinished(() => void worker.kill('SIGKILL'));
    const run = startCli(home.path, [
      'sim',
      '--live',
      folder,
      '--board',
      'raspberry-pi-4b',
      '--pid',
      String(worker.pid),
      '--log',
      log,
    ]);
    onTestFinished(() => run.signal('SIGKILL'));
    await until(() => run.stdout().includes('its load comes from process'), 'the board');
    // The readers of the daemon, on the files that the command keeps.
    const sensor = createIna2xx({ sysfsRoot: folder, boardRail: null });
    sensor.discover();
    const watts = () => {
      const { boardW } = sensor.read(performance.now());
      return boardW?.ok === true ? boardW.value : 0;
    };
    const idleW = profileNamed('raspberry-pi-4b').power.idle_w.value;
    // One core at work is some 0.7 W; the machine that tests may give it only a part of that.
    await until(() => watts() > idleW + 0.2, 'the load to show in the sensor');
    const [policy] = readCpufreq(folder);
    writeFileSync(join(policy?.folder ?? '', 'scaling_max_freq'), '600000');
    await until(() => readCpufreq(folder)[0]?.currentKhz === 600_000, 'the bound to be obeyed');
    worker.kill('SIGKILL');
    expect(await run.exited).toBe(0);
    expect(run.stdout()).toMatch(/process \d+ has ended: [\d.]+ s, [\d.]+ J above idle/);
    expect(readFileSync(log, 'utf8')).toMatch(/^time_s,true_w,.*\n[\d.]+,/);
  });

  it('ends when it is told to, or when its time is up', async () => {
    const folder = join(home.path, 'told');
    const args = ['sim', '--live', folder, '--pid', String(process.pid), '--json'];
    const run = startCli(home.path, args);
    onTestFinished(() => run.signal('SIGKILL'));
    await until(() => run.stdout().includes('running'), 'the board');
    run.signal('SIGTERM');
    expect(await run.exited).toBe(0);
    const lines = run
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject([
      { state: 'running', folder, board: 'raspberry-pi-5', pid: process.pid },
      { state: 'ended', reason: 'SIGTERM', throttle_events: 0 },
    ]);
    // The same folder may be taken over.
    const again = await runCli(home.path, [...args, '--seconds', '1']);
    expect(again.code).toBe(0);
    expect(again.stdout).toContain('"reason":"time is up"');
  });

  it('leaves a folder with other things alone, and needs a process that is there', async () => {
    const folder = join(home.path, 'other');
    mkdirSync(folder);
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    const pid = String(process.pid);
    const other = await runCli(home.path, ['sim', '--live', folder, '--pid', pid]);
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/holds other things; expected a folder that is new, empty/);
    const gone = spawn(process.execPath, ['-e', '']);
    await new Promise((done) => gone.once('exit', done));
    const nobody = await runCli(home.path, [
      'sim',
      '--live',
      join(home.path, 'new'),
      '--pid',
      String(gone.pid),
    ]);
    expect(nobody.stderr).toContain(`there is no process ${gone.pid}`);
    expect(nobody.code).toBe(3);
  });
});
