import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as realMs } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { type BoardSensors, openSensors, readProfile } from '../../../src/hardware/index.ts';
import { bundledProfiles } from '../../../src/hardware/profile.ts';
import { parsePmic } from '../../../src/hardware/sensors/pi-pmic.ts';
import { createVirtualClock, type VirtualClock } from '../../fakes/virtual-clock.ts';
import { materialise } from '../../fixtures/sysfs/materialise.ts';

const profile = readProfile(join(bundledProfiles(), 'raspberry-pi-5.json'));

let folder: string;
let clock: VirtualClock;
let sensors: BoardSensors | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'twowatt-vcgencmd-'));
  clock = createVirtualClock();
});
afterEach(() => {
  sensors?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A program in vcgencmd's place; each start leaves a line with its command and its process id. */
function open(body: string): BoardSensors {
  const roots = materialise('raspberry-pi-5', folder);
  const tool = join(folder, 'tool');
  writeFileSync(tool, `#!/bin/sh\necho "$1 $$" >> '${folder}/starts'\ncd '${folder}'\n${body}\n`);
  chmodSync(tool, 0o755);
  sensors = openSensors({
    ...roots,
    vcgencmd: tool,
    profile,
    clock,
    pid: process.pid,
    logger: silentLogger,
  });
  return sensors;
}

const starts = (): string[] =>
  existsSync(join(folder, 'starts'))
    ? readFileSync(join(folder, 'starts'), 'utf8').trim().split('\n')
    : [];

/** Lets the tool be started once and gives the real process the time it needs. */
async function untilReason(board: BoardSensors, pattern: RegExp): Promise<void> {
  board.sample();
  await clock.advance(500);
  await vi.waitFor(() => {
    const { boardW } = board.sample();
    expect(boardW.ok ? 'a value' : boardW.reason).toMatch(pattern);
  });
}

describe("the Pi 5's power chip through the firmware tool", () => {
  it('gives watts by rail and their sum, whose age grows until it is a reason', async () => {
    const board = open('cat vcgencmd/$1');
    expect(board.sample().boardW).toEqual({ ok: false, reason: 'vcgencmd: no answer yet' });
    await untilReason(board, /a value/);
    const { boardW, railsW, underVoltage } = board.sample();
    expect(boardW).toMatchObject({ ageMs: 0, source: 'pi-pmic, sum of 12 rails' });
    if (boardW.ok) expect(boardW.value).toBeCloseTo(1.632, 3);
    expect(railsW['VDD_CORE']?.ok === true && railsW['VDD_CORE'].value).toBeCloseTo(0.432, 3);
    expect(railsW).not.toHaveProperty('EXT5V');
    expect(underVoltage).toBe(false);
    const fact = board.describe().find((entry) => entry.kind === 'pi-pmic');
    expect(fact?.notes.join(' ')).toContain('USB');

    writeFileSync(join(folder, 'vcgencmd/pmic_read_adc'), 'VDD_CORE_A current(7)=0.5A\n');
    await clock.advance(400);
    expect(board.sample().boardW).toMatchObject({ ok: true, ageMs: 400 });
    await untilReason(board, /has a current and no voltage|no rail/);
  });

  it('stops asking a firmware that does not know the command', async () => {
    const board = open(`echo 'error=1 error_msg="Command not registered"'`);
    await untilReason(board, /no power sensor found/);
    for (let second = 0; second < 60; second += 1) {
      board.sample();
      await clock.advance(1_000);
      await realMs(1);
    }
    expect(starts()).toHaveLength(1);
  });

  it.each([
    ['garbage', 'head -c 3000 /dev/urandom', /no rail among/],
    ['a failure', 'exit 7', /status 7/],
    ['far too much', 'yes VDD_CORE_A', /far more/],
    ['another error', `echo 'error=2 error_msg="Invalid arguments"'`, /Invalid arguments/],
  ])('has a reason for %s', async (_name, body, pattern) => {
    await untilReason(open(body), pattern);
  });

  it('kills a tool that hangs, and waits longer before the next try', async () => {
    const board = open('exec sleep 1000');
    board.sample();
    await clock.advance(500);
    await vi.waitFor(() => expect(starts()).toHaveLength(1));
    for (let step = 0; step < 21; step += 1) {
      board.sample();
      await clock.advance(100);
    }
    expect(board.sample().boardW).toMatchObject({
      reason: expect.stringContaining('no answer within') as string,
    });
    const pid = Number(starts()[0]?.split(' ')[1]);
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow(/ESRCH/));
    board.sample();
    await clock.advance(500);
    expect(starts()).toHaveLength(1);
  });

  it('is started at most twice a second however often it is sampled, and not at all unwatched', async () => {
    const board = open('cat vcgencmd/$1');
    for (let step = 0; step < 200; step += 1) {
      board.sample();
      await clock.advance(25);
      await realMs(2);
    }
    const after5s = starts().length;
    expect(after5s).toBeGreaterThan(1);
    expect(after5s).toBeLessThanOrEqual(10);
    // Nobody samples: it stops within two seconds.
    await clock.advance(2_500);
    await realMs(50);
    const then = starts().length;
    await clock.advance(60_000);
    await realMs(50);
    expect(starts()).toHaveLength(then);
    expect(board.sample().boardW).toMatchObject({ ok: false });
  });

  it('does without a tool that is not there', () => {
    const roots = materialise('raspberry-pi-5', folder);
    const options = { ...roots, profile, clock, pid: process.pid, logger: silentLogger };
    sensors = openSensors({ ...options, vcgencmd: join(folder, 'none') });
    expect(sensors.sample().boardW).toEqual({ ok: false, reason: 'no power sensor found' });
  });
});

it.each([
  ['VDD_CORE_A current(7)=99.0A\nVDD_CORE_V volt(15)=0.7V', /99 A is not plausible/],
  ['VDD_CORE_A current(7)=0.5A\nVDD_CORE_V volt(15)=12.0V', /12 V is not plausible/],
  ['VDD_CORE_A current(7)=-3.0A\nVDD_CORE_V volt(15)=0.7V', /not plausible/],
  ['', /no rail/],
])('refuses %j', (text, reason) => {
  expect(parsePmic(text)).toMatch(reason);
});
