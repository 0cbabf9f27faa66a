import { sleep } from '../../../src/core/index.ts';
import {
  type CalibrateOptions,
  calibrate,
  type WorkPhase,
} from '../../../src/hardware/calibration/index.ts';
import { type PlantParameters, plantParametersFrom } from '../../../src/hardware/sim/parameters.ts';
import { createPlant, type PlantOptions } from '../../../src/hardware/sim/plant.ts';
import type { PlantLoad } from '../../../src/hardware/sim/power.ts';
import { profileNamed } from '../../../src/hardware/sim/index.ts';
import { stepCost } from '../../../src/hardware/sim/virtual-engine.ts';
import type { BoardSample } from '../../../src/protocol/index.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

const TICK_MS = 10;
const ROWS = { prefill: 32, decode: 1 };
const POSITION = 128;

export type BenchOptions = {
  board: string;
  plant?: Partial<Omit<PlantOptions, 'parameters'>>;
  parameters?: (from: PlantParameters) => PlantParameters;
  /** Changes each sample before anybody sees it. */
  sample?: (sample: BoardSample, nowMs: number) => BoardSample;
  /** How much longer a step takes, by the time. */
  slower?: (nowMs: number) => number;
  /** False: the board refuses to be clocked. */
  canScale?: boolean;
};

/** A plant in virtual time with an engine on it whose steps cost what the plant's roofline says. */
export function createBench(options: BenchOptions) {
  const profile = profileNamed(options.board);
  const plain = plantParametersFrom(profile);
  const parameters = options.parameters?.(plain) ?? plain;
  const plant = createPlant({ parameters, seed: 3, ...options.plant });
  const clock = createVirtualClock();
  let threads = 1;
  let maxFreqKhz: number | null = null;
  let load: PlantLoad = { threadsBusy: 0, bytesPerS: 0 };
  let knownEvents = 0;
  const applied: (number | null)[] = [];
  const tokens = { prefill: 0, decode: 0 };
  const waiting: Record<WorkPhase, ((step: { atMs: number; tokens: number }) => void)[]> = {
    prefill: [],
    decode: [],
  };
  clock.setRepeating(TICK_MS, () => plant.advance(TICK_MS, { ...load, maxFreqKhz }));

  function sample(): BoardSample {
    const { watts, ageMs } = plant.sensed();
    const events = plant.throttleEvents() - knownEvents;
    knownEvents = plant.throttleEvents();
    const now: BoardSample = {
      atMs: clock.monotonicMs(),
      boardW: { ok: true, value: watts, unit: 'w', ageMs, quality: 'measured', source: 'ina219' },
      railsW: {},
      socC: {
        ok: true,
        value: plant.socC(),
        unit: 'c',
        ageMs: 0,
        quality: 'measured',
        source: 'cpu-thermal',
      },
      throttled: plant.throttled(),
      underVoltage: plant.underVoltage(),
      throttleEvents: events,
      freqKhz: plant.freqKhz(),
      treeCpuS: null,
    };
    return options.sample?.(now, clock.monotonicMs()) ?? now;
  }

  const work: CalibrateOptions['work'] = {
    async useThreads(count) {
      threads = count;
    },
    async run(phase, signal) {
      while (!signal.aborted) {
        const step = { phase, rows: ROWS[phase], position: POSITION };
        const cost = stepCost(parameters, step, {
          threads,
          freqKhz: plant.freqUnder(maxFreqKhz),
        });
        load = cost.load;
        const slower = options.slower?.(clock.monotonicMs()) ?? 1;
        await sleep(clock, cost.durationMs * slower, signal);
        tokens[phase] += step.rows;
        const done = { atMs: clock.monotonicMs(), tokens: tokens[phase] };
        for (const wake of waiting[phase].splice(0)) wake(done);
      }
      load = { threadsBusy: 0, bytesPerS: 0 };
    },
    nextStep: (phase) => new Promise((resolve) => waiting[phase].push(resolve)),
  };

  const abort = new AbortController();
  /** Runs a calibration to its end, moving the clock. */
  async function run(over: Partial<CalibrateOptions> = {}) {
    const labels: string[] = [];
    const running = calibrate({
      points: [{ threads: 4, freqKhz: parameters.steps.at(-1)?.freqKhz ?? null }],
      work,
      sample,
      actuators: {
        canScale: () => options.canScale ?? true,
        denied: () => (options.canScale === false ? 'read-only' : null),
        apply(order) {
          applied.push(order.maxFreqKhz);
          if (options.canScale !== false) maxFreqKhz = order.maxFreqKhz;
          return { maxFreqKhz, canScale: options.canScale ?? true };
        },
      },
      input: { kind: 'sensor' },
      railNames: [],
      throttleC: profile.thermal.throttle_c.value,
      seconds: { idle: 5, warmUp: 30, window: 4 },
      repeats: 2,
      tolerance: 0.1,
      clock,
      signal: abort.signal,
      onProgress: ({ label }) => labels.push(label),
      ...over,
    });
    const progress = { ended: false };
    const end = () => {
      progress.ended = true;
    };
    running.then(end, end);
    while (!progress.ended) await clock.advance(100);
    return { calibration: await running, labels };
  }
  return { run, abort, clock, plant, parameters, profile, applied, sample };
}
