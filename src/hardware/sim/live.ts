import { appendFileSync, writeFileSync } from 'node:fs';
import type { Clock } from '../../core/index.ts';
import { createTreeCpu } from '../process-cpu.ts';
import type { DeviceProfile } from '../profile-schema.ts';
import { createBoardFolder } from './board-folder.ts';
import { plantParametersFrom } from './parameters.ts';
import { createPlant, type Plant, type PlantErrors } from './plant.ts';
import { stepCost } from './virtual-engine.ts';

const PERIOD_MS = 50;
/** Rows of the log are gathered, so that the logger's own disk writes are few. */
const ROWS_PER_WRITE = 20;

export type SimulatedBoardOptions = {
  /** Becomes the board's /sys: `hardware.sysfs_root` of the daemon. */
  folder: string;
  profile: DeviceProfile;
  /** The daemon: CPU time of it and of its descendants is the plant's load. */
  pid: number;
  clock: Clock;
  /** Real /proc by default. */
  procRoot?: string;
  seed?: number;
  errors?: PlantErrors;
  ambientC?: number;
  /** CSV of the truth: time_s,true_w,above_idle_w,sensed_w,soc_c,cores_busy,freq_khz. */
  logFile?: string;
  /** Called when the daemon, having been there, is there no more; the board idles on. */
  onDaemonGone?: () => void;
};

export type SimulatedBoard = { plant: Plant; stop(): void };

/**
 * A board in real time: every 50 ms the CPU time that the daemon's process tree used since the last
 * time becomes load, and the plant's readings become files. Cores are this machine's, so a bound on
 * the clock changes the plant's power but not the engine's speed.
 */
export function startSimulatedBoard(options: SimulatedBoardOptions): SimulatedBoard {
  const { clock, profile, logFile } = options;
  const parameters = plantParametersFrom(profile);
  const plant = createPlant({
    parameters,
    seed: options.seed ?? 1,
    ...(options.errors === undefined ? {} : { errors: options.errors }),
    ...(options.ambientC === undefined ? {} : { ambientC: options.ambientC }),
  });
  const files = createBoardFolder(options.folder, parameters, profile);
  const treeCpuS = createTreeCpu({ procRoot: options.procRoot ?? '/proc', pid: options.pid });
  const startMs = clock.monotonicMs();
  let lastMs = startMs;
  let lastCpuS = treeCpuS(startMs);
  let maxFreqKhz = files.maxFreqKhz();
  let rows: string[] = [];
  if (logFile !== undefined) {
    writeFileSync(logFile, 'time_s,true_w,above_idle_w,sensed_w,soc_c,cores_busy,freq_khz\n');
  }
  files.publish(plant);

  const flush = () => {
    if (logFile !== undefined && rows.length > 0) appendFileSync(logFile, `${rows.join('\n')}\n`);
    rows = [];
  };

  const timer = clock.setRepeating(PERIOD_MS, () => {
    const nowMs = clock.monotonicMs();
    const elapsedMs = nowMs - lastMs;
    if (elapsedMs <= 0) return;
    const cpuS = treeCpuS(nowMs);
    if (cpuS === null && lastCpuS !== null) options.onDaemonGone?.();
    // A tree that has ended does nothing any more.
    const usedS = cpuS === null || lastCpuS === null ? 0 : Math.max(0, cpuS - lastCpuS);
    const threadsBusy = Math.min(parameters.cores, (usedS * 1000) / elapsedMs);
    lastMs = nowMs;
    lastCpuS = cpuS;
    // Somebody may be in the middle of writing it: then the bound stays what it was.
    maxFreqKhz = files.maxFreqKhz() ?? maxFreqKhz;
    const at = { threads: parameters.cores, freqKhz: plant.freqUnder(maxFreqKhz) };
    const decode = stepCost(parameters, { phase: 'decode', rows: 1, position: 128 }, at).load;
    plant.advance(elapsedMs, {
      threadsBusy,
      activity: decode.activity ?? 1,
      bytesPerS: (decode.bytesPerS * threadsBusy) / parameters.cores,
      maxFreqKhz,
    });
    files.publish(plant);
    if (logFile === undefined) return;
    const parts = plant.trueParts();
    rows.push(
      [
        ((nowMs - startMs) / 1000).toFixed(3),
        plant.trueW().toFixed(4),
        (parts.coresW + parts.dramW).toFixed(4),
        plant.sensed().watts.toFixed(4),
        plant.socC().toFixed(2),
        threadsBusy.toFixed(3),
        plant.freqKhz(),
      ].join(','),
    );
    if (rows.length >= ROWS_PER_WRITE) flush();
  });
  return {
    plant,
    stop() {
      timer.cancel();
      flush();
    },
  };
}
