import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Logger } from '../core/index.ts';
import type { BoardSample } from '../protocol/index.ts';
import { detectBoard } from './board.ts';
import { fastestPolicy, readCpufreq, readKhz } from './cpufreq.ts';
import { createTreeCpu } from './process-cpu.ts';
import type { DeviceProfile } from './profile-schema.ts';
import type { Reading, ReadingQuality } from './reading.ts';
import { createIna2xx } from './sensors/ina2xx.ts';
import { createIna3221 } from './sensors/ina3221.ts';
import { createPiPmic } from './sensors/pi-pmic.ts';
import type { PowerKind, PowerSource } from './sensors/power-source.ts';
import { createRapl } from './sensors/rapl.ts';
import { createThrottling } from './sensors/throttling.ts';
import { canRun, createVcgencmd, type Vcgencmd } from './sensors/vcgencmd.ts';
import { createSocTemperature } from './temperature.ts';

/** Looking for sensors costs a millisecond or two: seldom while all is well, sooner after a loss. */
const DISCOVER_MS = 30_000;
const DISCOVER_LOST_MS = 3_000;

/** Without a profile's word: what sees most of the board first. */
const DEFAULT_ORDER: readonly PowerKind[] = ['ina3221', 'ina2xx', 'pi-pmic', 'rapl'];

/** One thing that readings come from, for `doctor` and for telemetry's `source`. */
export type SensorFact = {
  kind: string;
  /** File, folder or command. */
  where: string;
  /** Names of the rails, zones or policies; empty where there is nothing to name. */
  rails: string[];
  quality: ReadingQuality;
  notes: string[];
};

/** Everything on the board that can be read. */
export interface BoardSensors {
  /** All readings of this moment. Synchronous, below a millisecond; starts no process, never throws. */
  sample(): BoardSample;
  describe(): SensorFact[];
  close(): void;
}

export type SensorOptions = {
  sysfsRoot: string;
  procRoot: string;
  /** Path of Raspberry Pi's firmware tool; empty: never run it. */
  vcgencmd: string;
  profile: DeviceProfile | null;
  clock: Clock;
  /** Root of the process tree whose CPU time counts. */
  pid: number;
  logger: Logger;
};

/** The rail that a profile says carries the whole board, by kind of sensor; null when it does not. */
function boardRailOf(profile: DeviceProfile | null, kind: PowerKind): string | null {
  const sensor = profile?.power.sensors.find((entry) => entry.kind === kind);
  return sensor?.covers === 'board' ? (sensor.rails[0]?.name ?? null) : null;
}

/** A process is one of this machine even where the board is a prepared folder. */
function processRoot(procRoot: string, pid: number): string {
  return existsSync(join(procRoot, String(pid), 'stat')) ? procRoot : '/proc';
}

function openVcgencmd(options: SensorOptions): Vcgencmd | null {
  const { sysfsRoot, procRoot, vcgencmd, clock } = options;
  const board = detectBoard({ sysfsRoot, procRoot });
  const isPi = board.compatible.some((name) => name.startsWith('raspberrypi,'));
  return isPi && canRun(vcgencmd) ? createVcgencmd({ path: vcgencmd, clock }) : null;
}

/** Power sensors in the order in which they are believed: the profile's first. */
function powerSources(options: SensorOptions, vcgencmd: Vcgencmd | null): PowerSource[] {
  const { sysfsRoot, profile } = options;
  const listed = profile?.power.sensors.map((sensor) => sensor.kind) ?? [];
  const order = [...new Set([...listed, ...DEFAULT_ORDER])];
  return order.flatMap((kind): PowerSource[] => {
    const boardRail = boardRailOf(profile, kind);
    switch (kind) {
      case 'ina3221':
        return [createIna3221({ sysfsRoot, boardRail })];
      case 'ina2xx':
        return [createIna2xx({ sysfsRoot, boardRail })];
      case 'rapl':
        return [createRapl({ sysfsRoot })];
      case 'pi-pmic':
        // Only the Pi 5's firmware has it; asking others would start a process for a refusal.
        return vcgencmd !== null && listed.includes('pi-pmic') ? [createPiPmic({ vcgencmd })] : [];
    }
  });
}

/**
 * Finds the board's sensors and keeps them. The first kind of power sensor found is believed from
 * then on: one that is lost leaves a reason until it returns, because another one, which sees less,
 * would look like less power. Sensors that come, go or are renumbered are found again within seconds.
 */
export function openSensors(options: SensorOptions): BoardSensors {
  const { sysfsRoot, procRoot, profile, clock, pid, logger } = options;
  const vcgencmd = openVcgencmd(options);
  const sources = powerSources(options, vcgencmd);
  const throttling = createThrottling({ sysfsRoot, vcgencmd });
  const temperature = createSocTemperature(sysfsRoot, profile?.thermal.zones);
  const treeCpuS = createTreeCpu({ procRoot: processRoot(procRoot, pid), pid });
  let believed: PowerSource | undefined;
  let clockFolder: string | undefined;
  let discoveredAtMs = clock.monotonicMs();
  let missing = false;

  function discover(): void {
    for (const source of sources) source.discover();
    throttling.discover();
    temperature.discover();
    clockFolder = fastestPolicy(readCpufreq(sysfsRoot))?.folder;
  }

  function believe(): PowerSource | undefined {
    if (believed?.present() === true) return believed;
    const next = sources.find((source) => source.present());
    if (next !== undefined && next !== believed) {
      logger.info({ kind: next.kind, covers: next.covers() }, 'power sensor found');
    }
    believed = next;
    return believed;
  }

  function rediscoverIfDue(nowMs: number): void {
    const lost = missing || sources.some((source) => source.present() && source.lost());
    if (Math.abs(nowMs - discoveredAtMs) < (lost ? DISCOVER_LOST_MS : DISCOVER_MS)) return;
    discoveredAtMs = nowMs;
    discover();
  }

  function power(nowMs: number): Pick<BoardSample, 'boardW' | 'railsW'> {
    const chosen = believe();
    const railsW: BoardSample['railsW'] = {};
    let boardW: Reading<'w'> = { ok: false, reason: 'no power sensor found' };
    for (const source of sources) {
      if (!source.present()) continue;
      const reading = source.read(nowMs);
      for (const [name, rail] of reading.rails) railsW[name] ??= rail;
      if (source !== chosen) continue;
      boardW = reading.boardW ?? {
        ok: false,
        reason: `${source.kind} sees single rails, not the whole board`,
      };
    }
    return { boardW, railsW };
  }

  discover();
  believe();

  return {
    sample() {
      const atMs = clock.monotonicMs();
      rediscoverIfDue(atMs);
      vcgencmd?.wanted();
      const { boardW, railsW } = power(atMs);
      const socC = temperature.read();
      const { throttled, underVoltage, events } = throttling.look(atMs);
      missing = !socC.ok;
      return {
        atMs,
        boardW,
        railsW,
        socC,
        throttled,
        underVoltage,
        throttleEvents: events,
        freqKhz: clockFolder === undefined ? null : readKhz(clockFolder, 'scaling_cur_freq'),
        treeCpuS: treeCpuS(atMs),
      };
    },
    describe() {
      const facts: SensorFact[] = [];
      for (const source of sources.filter((candidate) => candidate.present())) {
        const rails = source.rails();
        facts.push({
          kind: source.kind,
          where: rails[0]?.where ?? 'not there at present',
          rails: rails.map((rail) => rail.name),
          quality: 'measured',
          notes: [
            ...(source === believed ? [] : ['not used for the board’s power: another comes first']),
            ...source.notes(),
            ...rails.flatMap((rail) => rail.notes.map((note) => `${rail.name}: ${note}`)),
          ],
        });
      }
      const zones = [...temperature.zones()];
      if (zones.length > 0) {
        const where = join(sysfsRoot, 'class', 'thermal');
        facts.push({ kind: 'thermal', where, rails: zones, quality: 'measured', notes: [] });
      }
      for (const { kind, where } of throttling.found()) {
        facts.push({ kind, where, rails: [], quality: 'measured', notes: [] });
      }
      for (const policy of readCpufreq(sysfsRoot)) {
        facts.push({
          kind: 'cpufreq',
          where: policy.folder,
          rails: [policy.name],
          quality: 'measured',
          notes: [`${policy.availableKhz.length} clock steps, now ${policy.currentKhz ?? '?'} kHz`],
        });
      }
      return facts;
    },
    close() {
      for (const source of sources) source.close();
      vcgencmd?.close();
    },
  };
}
