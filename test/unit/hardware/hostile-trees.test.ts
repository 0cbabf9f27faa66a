import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import {
  type BoardSensors,
  detectBoard,
  loadProfiles,
  matchProfile,
  openActuators,
  openSensors,
} from '../../../src/hardware/index.ts';
import type { BoardSample, Reading } from '../../../src/protocol/index.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';
import { fixtureBoards, type Entry, readManifest } from '../../fixtures/sysfs/materialise.ts';

const CASES = 1_000;
const SEED = 20_260_603;

const profiles = loadProfiles();
const manifests = new Map(fixtureBoards().map((board) => [board, readManifest(board)]));

let root: string;
let fifo: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'twowatt-hostile-'));
  // One that nobody writes: opening it without O_NONBLOCK waits for ever.
  fifo = join(root, 'fifo');
  execFileSync('/bin/sh', ['-c', 'mkfifo "$0"', fifo]);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const FAULTS = {
  missing: () => undefined,
  /** Reading a folder fails as a broken bus does: an error out of read(2), not out of open(2). */
  unreadable: (path: string) => mkdirSync(path),
  /** A process's memory at address 0: read(2) says EIO. */
  eio: (path: string) => symlinkSync('/proc/self/mem', path),
  denied: (path: string) => symlinkSync('/proc/sys/vm/drop_caches', path),
  loop: (path: string) => symlinkSync(path, path),
  dangling: (path: string) => symlinkSync('nowhere', path),
  blocking: (path: string) => symlinkSync(fifo, path),
  endless: (path: string) => symlinkSync('/dev/zero', path),
  empty: (path: string) => writeFileSync(path, ''),
  text: (path: string) => writeFileSync(path, 'N/A\n'),
  nan: (path: string) => writeFileSync(path, 'nan\n'),
  negative: (path: string) => writeFileSync(path, '-1000000\n'),
  zero: (path: string) => writeFileSync(path, '0\n'),
  billion: (path: string) => writeFileSync(path, '1000000000\n'),
  digits: (path: string) => writeFileSync(path, `${'9'.repeat(400)}\n`),
  exponent: (path: string) => writeFileSync(path, '1e9\n'),
  huge: (path: string) => writeFileSync(path, 'L'.repeat(1_048_576)),
  bytes: (path: string) =>
    writeFileSync(path, Buffer.from([0xff, 0xfe, 0, 0x1b, 0x5b, 0x32, 0x4a])),
} satisfies Record<string, (path: string) => unknown>;
type Fault = keyof typeof FAULTS;
const faultNames = Object.keys(FAULTS) as Fault[];

/** The sensor that a fault is put into is a row of the manifest; places beyond its end wrap. */
const hostileTree = fc.record({
  board: fc.constantFrom(...manifests.keys()),
  /** Broken before the sensors are opened. */
  before: fc.array(fc.tuple(fc.nat(200), fc.constantFrom(...faultNames)), { maxLength: 6 }),
  /** Broken while they are in use. */
  during: fc.array(fc.tuple(fc.nat(200), fc.constantFrom(...faultNames)), { maxLength: 6 }),
});

function lay(entries: readonly Entry[], folder: string): void {
  for (const entry of entries) {
    const path = join(folder, entry.path);
    mkdirSync(dirname(path), { recursive: true });
    if ('target' in entry) symlinkSync(entry.target, path);
    else writeFileSync(path, entry.content);
  }
}

function damage(
  entries: readonly Entry[],
  folder: string,
  faults: readonly (readonly [number, Fault])[],
): void {
  for (const [place, fault] of faults) {
    const entry = entries[place % entries.length];
    const path = entry === undefined ? '' : join(folder, entry.path);
    // An earlier fault may have cut off the way here: then there is nothing left to break.
    if (path === '' || !existsSync(dirname(path))) continue;
    rmSync(path, { recursive: true, force: true });
    FAULTS[fault](path);
  }
}

/** What no board of the fixtures can be, whatever its files say. */
function expectPlausible(reading: Reading, lowest: number, highest: number): void {
  if (!reading.ok) {
    expect(reading.reason.length).toBeGreaterThan(0);
    expect(reading.reason.length).toBeLessThan(4_000);
    return;
  }
  expect(reading.value).toBeGreaterThanOrEqual(lowest);
  expect(reading.value).toBeLessThanOrEqual(highest);
  expect(reading.ageMs).toBeGreaterThanOrEqual(0);
  expect(reading.ageMs).toBeLessThanOrEqual(10_000);
  expect(reading.source.length).toBeLessThan(200);
}

function expectSane(sample: BoardSample): void {
  expectPlausible(sample.boardW, 0.1, 1000);
  for (const [name, rail] of Object.entries(sample.railsW)) {
    expect(name).toMatch(/^[\w .:/@+#()-]{1,60}$/);
    expectPlausible(rail, 0, 1100);
  }
  expect(Object.keys(sample.railsW).length).toBeLessThan(100);
  expectPlausible(sample.socC, -40, 150);
  expect(sample.throttleEvents).toBeGreaterThanOrEqual(0);
  for (const name of sample.throttled) {
    expect(name).toMatch(/^(freq_capped|throttled|soft_temp|over_current_[123])$/);
  }
  if (sample.freqKhz !== null) {
    expect(sample.freqKhz).toBeGreaterThanOrEqual(10_000);
    expect(sample.freqKhz).toBeLessThanOrEqual(10_000_000);
  }
  expect(sample.treeCpuS ?? 0).toBeGreaterThanOrEqual(0);
}

describe('hostile trees', () => {
  let made = 0;

  it(
    `${CASES} of them: no crash, no waiting, no value that cannot be`,
    { timeout: 120_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(hostileTree, async ({ board, before, during }) => {
          const entries = manifests.get(board) ?? [];
          const folder = join(root, String(made));
          made += 1;
          lay(entries, folder);
          damage(entries, folder, before);
          const clock = createVirtualClock();
          const roots = { sysfsRoot: join(folder, 'sys'), procRoot: join(folder, 'proc') };
          const found = detectBoard(roots);
          expect((found.model ?? '').length).toBeLessThan(5_000);
          const actuators = openActuators({
            ...roots,
            stateFolder: join(folder, 'state'),
            logger: silentLogger,
          });
          let sensors: BoardSensors | undefined;
          try {
            const match = matchProfile(found, profiles, '');
            sensors = openSensors({
              ...roots,
              vcgencmd: '',
              profile: match?.profile ?? null,
              clock,
              pid: process.pid,
              logger: silentLogger,
            });
            expectSane(sensors.sample());
            damage(entries, folder, during);
            await clock.advance(100);
            expectSane(sensors.sample());
            actuators.apply({ threads: 1, maxFreqKhz: 1_000_000 });
            await clock.advance(3_100);
            expectSane(sensors.sample());
            for (const fact of sensors.describe()) {
              expect(JSON.stringify(fact).length).toBeLessThan(20_000);
            }
          } finally {
            sensors?.close();
            actuators.close();
            rmSync(folder, { recursive: true, force: true });
          }
        }),
        { numRuns: CASES, seed: SEED },
      );
      expect(made).toBeGreaterThanOrEqual(CASES);
    },
  );

  it(
    'every fault in every file of a board that has power sensors',
    { timeout: 120_000 },
    async () => {
      const readings: [board: string, file: RegExp][] = [
        ['jetson-orin-nano', /(in1_input|curr1_input|\/temp)$/],
        ['raspberry-pi-cm4', /(power1_input|\/temp)$/],
      ];
      for (const [board, file] of readings) {
        const entries = manifests.get(board) ?? [];
        for (const [place, entry] of entries.entries()) {
          if (!file.test(entry.path)) continue;
          for (const fault of faultNames) {
            const folder = mkdtempSync(join(root, 'each-'));
            lay(entries, folder);
            damage(entries, folder, [[place, fault]]);
            const sensors = openSensors({
              sysfsRoot: join(folder, 'sys'),
              procRoot: join(folder, 'proc'),
              vcgencmd: '',
              profile: null,
              clock: createVirtualClock(),
              pid: process.pid,
              logger: silentLogger,
            });
            const sample = sensors.sample();
            expectSane(sample);
            // A broken sensor of the board's power is a reason, and never a smaller power.
            if (!entry.path.endsWith('temp'))
              expect([fault, sample.boardW.ok]).toEqual([fault, false]);
            sensors.close();
            rmSync(folder, { recursive: true, force: true });
          }
        }
      }
    },
  );

  it('leaves nothing behind', () => {
    expect(readdirSync(root)).toEqual(['fifo']);
    unlinkSync(fifo);
  });
});
