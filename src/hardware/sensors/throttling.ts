import { join } from 'node:path';
import { attributeOr, listFolder, readAttribute } from '../tree.ts';
import { chipChanged, findChips, type HwmonChip } from './hwmon.ts';
import type { Vcgencmd } from './vcgencmd.ts';
import { type Bounds, readWhole } from './whole-number.ts';

/** What slows the board down, or did since the last look. */
export type Throttling = {
  /** Active now. */
  throttled: string[];
  /** Null when nobody can tell. */
  underVoltage: boolean | null;
  /** Events since the last look. */
  events: number;
};

/** Raspberry Pi firmware, bits 0 to 3 of `get_throttled`; 16 to 19 say the same "since boot". */
const UNDER_VOLTAGE = 1 << 0;
const PI_NOW = [
  [1 << 1, 'freq_capped'],
  [1 << 2, 'throttled'],
  [1 << 3, 'soft_temp'],
] as const;
const PI_SINCE_BOOT_SHIFT = 16;
const PI_BITS = 0xf000f;

const PI_FILE = join('devices', 'platform', 'soc', 'soc:firmware', 'get_throttled');
/** On the Pi 5 the device carries the address of its bus in its name: found by its driver. */
const PI_DRIVER = join('bus', 'platform', 'drivers', 'raspberrypi-firmware');
const OLDEST_ANSWER_MS = 6_000;

const ALARM: Bounds = { lowest: 0, highest: 1, unit: '' };
/** A 32-bit counter in the driver. */
const EVENTS: Bounds = { lowest: 0, highest: 2 ** 32, unit: 'events' };

/** The bits that the firmware prints in hexadecimal, with or without `throttled=` and `0x`. */
export function parseThrottled(text: string): number | null {
  const digits = /^(?:throttled=)?(?:0x)?([0-9a-f]{1,8})$/i.exec(text.trim())?.[1];
  if (digits === undefined) return null;
  const bits = Number.parseInt(digits, 16);
  // Bits that no firmware sets are garbage, and garbage is not knowledge.
  return (bits & ~PI_BITS) === 0 ? bits : null;
}

function countBits(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}

/** The firmware's attribute; undefined where the board has none. */
function findPiFile(sysfsRoot: string): string | undefined {
  const driver = join(sysfsRoot, PI_DRIVER);
  const devices = listFolder(driver).filter((name) => name.includes('firmware'));
  return [
    join(sysfsRoot, PI_FILE),
    ...devices.slice(0, 4).map((name) => join(driver, name, 'get_throttled')),
  ].find((file) => attributeOr(file, null) !== null);
}

/** What slowed the board down at any time since it was started. */
export type ThrottleHistory = { name: string; events: number | null }[];

/**
 * The signs that outlive their cause: the Pi firmware's bits "since boot" (without a count) and
 * Jetson's over-current counters. Null where the board keeps none that a file tells.
 */
export function throttlingSinceBoot(sysfsRoot: string): ThrottleHistory | null {
  const file = findPiFile(sysfsRoot);
  const read = file === undefined ? undefined : readAttribute(file);
  const bits = read?.ok === true ? parseThrottled(read.text) : null;
  const counters = overCurrentCounters(sysfsRoot);
  if (bits === null && counters.length === 0) return null;
  const past = (bits ?? 0) >>> PI_SINCE_BOOT_SHIFT;
  const signs = [[UNDER_VOLTAGE, 'under_voltage'], ...PI_NOW] as const;
  return [
    ...signs.filter(([bit]) => (past & bit) !== 0).map(([, name]) => ({ name, events: null })),
    ...counters.flatMap(({ path, name }) => {
      const count = readWhole(path, EVENTS);
      return count.ok && count.value > 0 ? [{ name, events: count.value }] : [];
    }),
  ];
}

type CounterFile = { chip: HwmonChip; path: string; name: string };
type Counter = CounterFile & { last: number | null };

const overCurrentCounters = (sysfsRoot: string): CounterFile[] =>
  findChips(sysfsRoot, ['soctherm_oc']).flatMap((chip) =>
    [1, 2, 3].flatMap((number) => {
      const path = join(chip.folder, `oc${number}_event_cnt`);
      if (attributeOr(path, null) === null) return [];
      return { chip, path, name: `over_current_${number}` };
    }),
  );

/**
 * Throttle and under-voltage signs of the board: Pi firmware (file, else the tool at 0.5 Hz), the
 * kernel's `rpi_volt` alarm, Jetson's over-current counters. The first look sets the baseline: what
 * happened before is no event.
 */
export function createThrottling(options: { sysfsRoot: string; vcgencmd: Vcgencmd | null }) {
  const { sysfsRoot, vcgencmd } = options;
  let file: string | undefined;
  let asked: (() => ReturnType<ReturnType<Vcgencmd['watch']>>) | undefined;
  let voltageChip: HwmonChip | undefined;
  let counters: Counter[] = [];
  let sinceBoot: number | null = null;

  function piBits(atMs: number): number | null {
    if (file !== undefined) {
      const read = readAttribute(file);
      return read.ok ? parseThrottled(read.text) : null;
    }
    const answer = asked?.();
    if (answer?.ok !== true || atMs - answer.askedAtMs > OLDEST_ANSWER_MS) return null;
    return parseThrottled(answer.text);
  }

  function look(atMs: number): Throttling {
    const throttled: string[] = [];
    let underVoltage: boolean | null = null;
    let events = 0;
    const bits = piBits(atMs);
    if (bits !== null) {
      underVoltage = (bits & UNDER_VOLTAGE) !== 0;
      for (const [bit, name] of PI_NOW) if ((bits & bit) !== 0) throttled.push(name);
      const past = bits >>> PI_SINCE_BOOT_SHIFT;
      if (sinceBoot !== null) events += countBits(past & ~sinceBoot);
      sinceBoot = past;
    }
    if (voltageChip !== undefined && chipChanged(voltageChip) === null) {
      const alarm = readWhole(join(voltageChip.folder, 'in0_lcrit_alarm'), ALARM);
      if (alarm.ok) underVoltage = underVoltage === true || alarm.value === 1;
    }
    for (const counter of counters) {
      const now = chipChanged(counter.chip) === null ? readWhole(counter.path, EVENTS) : null;
      if (now?.ok !== true) continue;
      // A counter that fell was reset: its baseline is new, and nothing is known to have happened.
      const delta = counter.last === null ? 0 : Math.max(0, now.value - counter.last);
      counter.last = now.value;
      if (delta === 0) continue;
      events += delta;
      throttled.push(counter.name);
    }
    return { throttled, underVoltage, events };
  }

  return {
    look,
    discover() {
      // Once found it stays: a file that is gone for a while is not asked of the tool instead.
      file = findPiFile(sysfsRoot) ?? file;
      if (file === undefined && vcgencmd !== null && asked === undefined) {
        asked = vcgencmd.watch('get_throttled', 2_000);
      }
      [voltageChip] = findChips(sysfsRoot, ['rpi_volt']);
      const before = new Map(counters.map((counter) => [counter.path, counter.last]));
      counters = overCurrentCounters(sysfsRoot).map((counter) => ({
        chip: counter.chip,
        path: counter.path,
        name: counter.name,
        last: before.get(counter.path) ?? null,
      }));
    },
    /** Names and places of what was found, for people. */
    found(): { kind: string; where: string }[] {
      return [
        ...(file === undefined ? [] : [{ kind: 'pi-throttled', where: file }]),
        ...(file === undefined && asked !== undefined
          ? [{ kind: 'pi-throttled', where: 'vcgencmd get_throttled' }]
          : []),
        ...(voltageChip === undefined ? [] : [{ kind: 'rpi_volt', where: voltageChip.folder }]),
        ...counters.map((counter) => ({ kind: 'soctherm_oc', where: counter.path })),
      ];
    },
  };
}
