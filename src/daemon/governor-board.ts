import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { GovernorBoard, GovernorModel } from '../governor/index.ts';
import type { DeviceProfile } from '../hardware/index.ts';
import { type ModelManifest, type OperatingPoint, WEIGHTS_FILE } from '../protocol/index.ts';

/** Bytes that a token of ERNIE-4.5-0.3B INT8 reads; operating points that name no other model are for it (docs/energy.md). */
export const PROFILE_BYTES_PER_TOKEN = 367e6;
/** Two models count as one when their bytes differ by less: a conversion for other cores, say. */
const SAME_MODEL = 0.05;
/** A small model does not become faster without end: sampling and messages cost their time too. */
const MOST_SPEED_UP = 20;
/** Watts of one busy core where no profile knows: a guess that is rather too high than too low. */
const UNKNOWN_CORE_W = 3;
const UNKNOWN_IDLE_W = 3;
const UNKNOWN_J_PER_BYTE = 2e-10;
const UNKNOWN_THROTTLE_C = 80;

/** What a step of this model reads from memory. */
export function modelOf(manifest: ModelManifest, folder: string): GovernorModel {
  const { layers, kvHeads, headDim } = manifest.dimensions;
  return {
    bytesPerToken: statSync(join(folder, WEIGHTS_FILE)).size,
    parameters: manifest.parameters,
    // float32 keys and values.
    cacheBytesPerPosition: layers * kvHeads * headDim * 2 * 4,
  };
}

/** The device profile in the law's terms; without one, guesses that err towards less power. */
export function boardOf(profile: DeviceProfile | null, model: GovernorModel): GovernorBoard {
  const machineCores = availableParallelism();
  if (profile === null) {
    return {
      idleW: UNKNOWN_IDLE_W,
      points: [],
      coreWatts: (threads) => threads * UNKNOWN_CORE_W,
      energyJPerByte: UNKNOWN_J_PER_BYTE,
      throttleC: UNKNOWN_THROTTLE_C,
      cores: machineCores,
    };
  }
  const points = profile.operating_points.map((point) => pointFor(point, model.bytesPerToken));
  const rails = profile.power.sensors[0]?.rails ?? [];
  return {
    idleW: profile.power.idle_w.value,
    idleRailW: Object.fromEntries(
      rails.flatMap(({ name, idle_w: idle }) => (idle === undefined ? [] : [[name, idle.value]])),
    ),
    points,
    coreWatts: (threads, freqKhz) => coreWatts(profile, threads, freqKhz),
    energyJPerByte: profile.memory.energy_j_per_byte.value,
    throttleC: profile.thermal.throttle_c.value,
    cores: profile.cpu.clusters.reduce((sum, { cores }) => sum + (cores ?? machineCores), 0),
  };
}

/** A profile's point for a model of so many bytes per token; scaled from another model's, it is an estimate. */
function pointFor(
  point: DeviceProfile['operating_points'][number],
  bytesPerToken: number,
): OperatingPoint {
  const ratio = (point.bytes_per_token ?? PROFILE_BYTES_PER_TOKEN) / bytesPerToken;
  const ownModel = Math.abs(ratio - 1) < SAME_MODEL;
  const speedUp = ownModel ? 1 : Math.min(MOST_SPEED_UP, ratio);
  const { prefill_tokens_per_s: prefill, prefill_watts: prefillWatts } = point;
  return {
    threads: point.threads,
    freqKhz: point.freq_khz,
    batch: point.batch,
    decodeTokensPerS: point.decode_tokens_per_s * speedUp,
    prefillTokensPerS: prefill === null ? null : prefill * speedUp,
    watts: point.watts,
    ...(prefillWatts === undefined ? {} : { prefillWatts }),
    estimated: (point.estimated ?? false) || (!ownModel && point.bytes_per_token !== undefined),
  };
}

/** Busy cores above idle: the fastest cluster first, each at the highest step within the bound. */
function coreWatts(profile: DeviceProfile, threads: number, freqKhz: number | null): number {
  const perCluster = profile.cpu.clusters
    .map(({ cores, dvfs }) => {
      const within = dvfs.steps.findLast((step) => freqKhz === null || step.freq_khz <= freqKhz);
      return {
        cores: cores ?? Infinity,
        watts: (within ?? dvfs.steps[0])?.core_w ?? UNKNOWN_CORE_W,
      };
    })
    .toSorted((a, b) => b.watts - a.watts);
  let left = threads;
  let watts = 0;
  for (const cluster of perCluster) {
    const used = Math.min(left, cluster.cores);
    watts += used * cluster.watts;
    left -= used;
  }
  return watts;
}
