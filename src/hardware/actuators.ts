import {
  accessSync,
  closeSync,
  constants,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { isErrno, type Logger, writeFileAtomic } from '../core/index.ts';
import type { ActuatorOrder } from '../protocol/index.ts';
import { type CpufreqPolicy, readCpufreq, readKhz } from './cpufreq.ts';
import { attributeOr } from './tree.ts';

/** What the clocks were before the daemon touched them; lies in the state folder while it runs. */
const RECORD_FILE = 'cpufreq-before.json';

const recordSchema = v.object({
  v: v.literal(1),
  boot_id: v.string(),
  sysfs_root: v.string(),
  policies: v.record(
    v.pipe(v.string(), v.regex(/^policy\d{1,4}$/)),
    v.object({
      found_khz: v.pipe(v.number(), v.integer(), v.minValue(1)),
      /** Every value that was ever written: any other in the file is somebody else's. */
      written_khz: v.array(v.number()),
    }),
  ),
});
type ClockRecord = v.InferOutput<typeof recordSchema>;

export type ActuatorOptions = {
  sysfsRoot: string;
  /** Where the boot id is read; normally `/proc`. */
  procRoot?: string;
  /** The daemon's own folder: the found clocks are kept here for the case of a crash. */
  stateFolder: string;
  logger: Logger;
};

/** What an order came to. */
export type ActuatorResult = {
  /** Highest bound among the policies after the order, kHz; null where there is none or it is unknown. */
  maxFreqKhz: number | null;
  canScale: boolean;
};

export interface Actuators {
  /** Whether the clock can be bounded here. */
  canScale(): boolean;
  /** Why not; null while it can. */
  denied(): string | null;
  /** Steps of the fastest cores, kHz, rising; empty when the driver names none. */
  availableKhz(): readonly number[];
  /** Carries out the clock's part of an order; threads are the engine's. Never throws. */
  apply(order: ActuatorOrder): ActuatorResult;
  /** Puts every clock back as it was found, where nobody else has changed it since. */
  close(): void;
}

const recordPath = (stateFolder: string): string => join(stateFolder, RECORD_FILE);

const bootId = (procRoot: string): string =>
  attributeOr(join(procRoot, 'sys', 'kernel', 'random', 'boot_id'), 'unknown');

/**
 * Writes without truncating first, so that whoever reads meanwhile never finds the file empty. A file
 * that is not there is not created; a FIFO that nobody reads fails instead of waiting.
 */
function writeKhz(folder: string, khz: number): void {
  const file = join(folder, 'scaling_max_freq');
  const descriptor = openSync(file, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    const text = `${khz}\n`;
    writeSync(descriptor, text, 0);
    try {
      ftruncateSync(descriptor, text.length);
    } catch {
      // A kernel attribute has no length; only the plain file of a simulated board does.
    }
  } finally {
    closeSync(descriptor);
  }
}

function whyDenied(error: unknown): string {
  if (isErrno(error, 'EACCES', 'EPERM')) return 'no permission to write scaling_max_freq';
  if (isErrno(error, 'EROFS')) return 'scaling_max_freq lies on a read-only file system';
  return `scaling_max_freq cannot be written: ${error instanceof Error ? error.message : String(error)}`;
}

/** Why a policy's bound may not be written by this process; null when it may. Writes nothing. */
function whyUnwritable(folder: string): string | null {
  try {
    accessSync(join(folder, 'scaling_max_freq'), constants.W_OK);
    return null;
  } catch (error) {
    return whyDenied(error);
  }
}

/** One clock as it stands, for people to read. */
export type ClockBound = Pick<
  CpufreqPolicy,
  'name' | 'folder' | 'availableKhz' | 'currentKhz' | 'minKhz' | 'maxKhz' | 'hardwareMaxKhz'
> & {
  /** Why this process may not bound it; null when it may. */
  denied: string | null;
};

/** Every clock that could be bounded, and whether this process may. Nothing is written or restored. */
export const lookAtClockBounds = (sysfsRoot: string): ClockBound[] =>
  readCpufreq(sysfsRoot)
    .filter((policy) => policy.maxKhz !== null)
    .map((policy) => ({
      name: policy.name,
      folder: policy.folder,
      currentKhz: policy.currentKhz,
      minKhz: policy.minKhz,
      maxKhz: policy.maxKhz,
      hardwareMaxKhz: policy.hardwareMaxKhz,
      availableKhz: policy.availableKhz,
      denied: whyUnwritable(policy.folder),
    }));

function readRecord(stateFolder: string): ClockRecord | null {
  try {
    const parsed: unknown = JSON.parse(readFileSync(recordPath(stateFolder), 'utf8'));
    const result = v.safeParse(recordSchema, parsed);
    return result.success ? result.output : null;
  } catch {
    return null;
  }
}

function forget(stateFolder: string, logger: Logger): void {
  try {
    rmSync(recordPath(stateFolder), { force: true });
  } catch (error) {
    logger.warn({ why: String(error) }, 'the record of found clocks could not be removed');
  }
}

/**
 * Puts clocks back that a daemon which was killed left bounded; returns the policies that it
 * restored. Nothing is touched after a reboot (the kernel has set its own), on another board, or where
 * the value is one that the daemon never wrote.
 */
export function restoreAfterCrash(options: ActuatorOptions): string[] {
  const { sysfsRoot, procRoot = '/proc', stateFolder, logger } = options;
  const record = readRecord(stateFolder);
  const restored: string[] = [];
  if (record !== null && record.sysfs_root === sysfsRoot && record.boot_id === bootId(procRoot)) {
    for (const policy of readCpufreq(sysfsRoot)) {
      const before = record.policies[policy.name];
      if (before === undefined || policy.maxKhz === null) continue;
      if (policy.maxKhz === before.found_khz || !before.written_khz.includes(policy.maxKhz))
        continue;
      try {
        writeKhz(policy.folder, before.found_khz);
        restored.push(policy.name);
      } catch (error) {
        logger.warn({ policy: policy.name, why: whyDenied(error) }, 'clock could not be put back');
      }
    }
    if (restored.length > 0) logger.info({ policies: restored }, 'clocks of a killed run put back');
  }
  forget(stateFolder, logger);
  return restored;
}

/** The step at or below `khz` that the policy has, else its lowest. */
export function clampToSteps(
  khz: number,
  policy: Pick<CpufreqPolicy, 'availableKhz' | 'hardwareMinKhz' | 'minKhz'>,
): number {
  const floor = Math.max(policy.minKhz ?? 0, policy.hardwareMinKhz ?? 0);
  const steps = policy.availableKhz.filter((step) => step >= floor);
  if (steps.length === 0) return Math.max(floor, Math.round(khz));
  return steps.findLast((step) => step <= khz) ?? steps[0] ?? Math.round(khz);
}

/** `ours`: what the last write left in the file. */
type Held = { policy: CpufreqPolicy; foundKhz: number; ours: number | null };

/**
 * Opens the clocks for bounding, after putting back what a killed run left. Only `scaling_max_freq` is
 * ever written, only when its value changes, and never above what was found: that bound is the
 * operator's. A refused write is told once and ends the attempts.
 */
export function openActuators(options: ActuatorOptions): Actuators {
  const { sysfsRoot, procRoot = '/proc', stateFolder, logger } = options;
  restoreAfterCrash(options);
  const held: Held[] = readCpufreq(sysfsRoot).flatMap((policy) =>
    policy.maxKhz === null ? [] : [{ policy, foundKhz: policy.maxKhz, ours: null }],
  );
  const record: ClockRecord = {
    v: 1,
    boot_id: bootId(procRoot),
    sysfs_root: sysfsRoot,
    policies: {},
  };
  let denied = held.length === 0 ? 'this board offers no cpufreq policy' : null;
  let recorded = false;

  function deny(why: string): void {
    if (denied === null)
      logger.warn({ why }, 'the clock cannot be bounded; pacing goes on without');
    denied ??= why;
  }

  /** Makes the coming write known to a later start, before it happens. */
  function remember(entry: Held, khz: number): void {
    const known = record.policies[entry.policy.name];
    if (known?.written_khz.includes(khz) === true && known.found_khz === entry.foundKhz) return;
    const written = [...(known?.written_khz ?? []), khz];
    record.policies[entry.policy.name] = {
      found_khz: entry.foundKhz,
      written_khz: [...new Set(written)],
    };
    mkdirSync(stateFolder, { recursive: true });
    writeFileAtomic(recordPath(stateFolder), JSON.stringify(record));
    recorded = true;
  }

  function bound(entry: Held, orderKhz: number | null): void {
    const { policy } = entry;
    const nowKhz = readKhz(policy.folder, 'scaling_max_freq');
    if (nowKhz === null) return;
    if (entry.ours !== null && nowKhz !== entry.ours) {
      logger.info({ policy: policy.name, khz: nowKhz }, 'somebody else changed the clock’s bound');
      entry.foundKhz = nowKhz;
      entry.ours = null;
    } else if (entry.ours === null) entry.foundKhz = nowKhz;
    // Nothing of ours in the file and nothing wanted: hands off.
    if (orderKhz === null && entry.ours === null) return;
    const wanted =
      orderKhz === null ? entry.foundKhz : Math.min(entry.foundKhz, clampToSteps(orderKhz, policy));
    if (wanted === nowKhz) return;
    remember(entry, wanted);
    writeKhz(policy.folder, wanted);
    // The kernel may round: what it made of the value is ours too.
    const left = readKhz(policy.folder, 'scaling_max_freq') ?? wanted;
    if (left !== wanted) remember(entry, left);
    entry.ours = left;
  }

  for (const { policy } of held) {
    const why = whyUnwritable(policy.folder);
    if (why !== null) deny(why);
  }

  return {
    canScale: () => denied === null,
    denied: () => denied,
    availableKhz: () =>
      held.reduce<readonly number[]>(
        (best, { policy }) =>
          (policy.availableKhz.at(-1) ?? 0) > (best.at(-1) ?? 0) ? policy.availableKhz : best,
        [],
      ),
    apply(order) {
      const bounds: number[] = [];
      for (const entry of held) {
        try {
          if (denied === null) bound(entry, order.maxFreqKhz);
        } catch (error) {
          deny(whyDenied(error));
        }
        const khz = readKhz(entry.policy.folder, 'scaling_max_freq');
        if (khz !== null) bounds.push(khz);
      }
      return {
        maxFreqKhz: bounds.length === 0 ? null : Math.max(...bounds),
        canScale: denied === null,
      };
    },
    close() {
      let left = 0;
      for (const { policy, foundKhz, ours } of held) {
        const nowKhz = readKhz(policy.folder, 'scaling_max_freq');
        if (ours === null || nowKhz !== ours || nowKhz === foundKhz) continue;
        try {
          writeKhz(policy.folder, foundKhz);
        } catch (error) {
          left += 1;
          logger.warn(
            { policy: policy.name, why: whyDenied(error) },
            'clock could not be put back',
          );
        }
      }
      // With a clock still bounded, the next start tries again.
      if (recorded && left === 0) forget(stateFolder, logger);
    },
  };
}
