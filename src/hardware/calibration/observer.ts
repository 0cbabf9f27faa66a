import type { Clock } from '../../core/index.ts';
import type { BoardSample, Reading } from '../../protocol/index.ts';
import type { Sampler, WindowWatts } from './types.ts';

/** Readings per second: as often as the slowest of the built-in sensors converts. */
const PERIOD_MS = 100;

/** Two looks that put a reading's time so close together saw the same one. */
const SAME_READING_MS = 5;

/** What the board showed between the opening of a window and its close. */
export type Observation = {
  /** Null when the sensor gave too little; `problem` says why. */
  watts: WindowWatts | null;
  problem: string;
  socC: { first: number; last: number; most: number } | null;
  /** Names of what slowed the board down. */
  throttled: string[];
  events: number;
  underVoltage: boolean;
};

/** What counts as the board's power: its sensor's whole, else the sum of rails that the profile names. */
export type PowerView = {
  about: string;
  wholeBoard: boolean;
  read(sample: BoardSample): Reading<'w'>;
};

/** How the board's power can be read; null with the reason when it cannot. */
export function powerView(
  sample: BoardSample,
  railNames: readonly string[],
): PowerView | { reason: string } {
  if (sample.boardW.ok) {
    return { about: sample.boardW.source, wholeBoard: true, read: ({ boardW }) => boardW };
  }
  const names = railNames.filter((name) => sample.railsW[name]?.ok === true);
  if (names.length === 0) return { reason: sample.boardW.reason };
  return {
    about: `rails ${names.join(', ')}`,
    wholeBoard: false,
    read({ railsW }) {
      let sum: Reading<'w'> | undefined;
      for (const name of names) {
        const rail = railsW[name] ?? { ok: false, reason: `no rail ${name}` };
        if (!rail.ok) return rail;
        sum = { ...rail, value: (sum?.ok === true ? sum.value : 0) + rail.value };
      }
      return sum ?? { ok: false, reason: 'no rails' };
    },
  };
}

/** Too few readings make no mean. */
const LEAST_READINGS = 5;

/**
 * Standard error of the mean of a noisy series, from the differences of neighbours (von Neumann's
 * estimator), which a slow drift of the mean leaves alone.
 */
export function standardError(values: readonly number[]): number {
  if (values.length < 2) return Infinity;
  let squares = 0;
  for (let index = 1; index < values.length; index += 1) {
    squares += ((values[index] as number) - (values[index - 1] as number)) ** 2;
  }
  return Math.sqrt(squares / (2 * (values.length - 1)) / values.length);
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

type Gathered = { samples: BoardSample[]; watts: number[]; problem: string };

function conclude({ samples, watts, problem }: Gathered): Observation {
  const socs = samples.flatMap(({ socC }) => (socC.ok ? [socC.value] : []));
  const rails: Record<string, number> = {};
  for (const name of Object.keys(samples[0]?.railsW ?? {})) {
    const read = samples.flatMap(({ railsW }) => {
      const rail = railsW[name];
      return rail?.ok === true ? [rail.value] : [];
    });
    if (read.length >= LEAST_READINGS) rails[name] = mean(read);
  }
  const enough = watts.length >= LEAST_READINGS;
  return {
    watts: enough ? { watts: mean(watts), noiseW: standardError(watts), rails } : null,
    problem: enough ? '' : problem || `only ${watts.length} readings of the power`,
    socC:
      socs.length === 0
        ? null
        : { first: socs[0] as number, last: socs.at(-1) as number, most: Math.max(...socs) },
    throttled: [...new Set(samples.flatMap(({ throttled }) => throttled))],
    events: samples.reduce((sum, { throttleEvents }) => sum + throttleEvents, 0),
    underVoltage: samples.some(({ underVoltage }) => underVoltage === true),
  };
}

/**
 * Samples the board all the time, once for everybody who looks: counters of events are deltas since
 * the last look, so a second reader would take some away from the first.
 */
export function createObserver(options: { sample: Sampler; clock: Clock; view: PowerView | null }) {
  const { sample, clock, view } = options;
  const open = new Set<Gathered>();
  let takenAtMs = -Infinity;
  const look = () => {
    const now = sample();
    const power = view?.read(now) ?? { ok: false as const, reason: 'nobody reads the power' };
    // A slow sensor's reading is seen several times and is one all the same.
    const isNew = power.ok && now.atMs - power.ageMs > takenAtMs + SAME_READING_MS;
    if (isNew) takenAtMs = now.atMs - power.ageMs;
    for (const window of open) {
      window.samples.push(now);
      if (isNew) window.watts.push(power.value);
      else if (!power.ok) window.problem = power.reason;
    }
  };
  const timer = clock.setRepeating(PERIOD_MS, look);
  return {
    /** Opens a window; the function that comes back closes it. */
    open(): () => Observation {
      const gathered: Gathered = { samples: [], watts: [], problem: '' };
      open.add(gathered);
      return () => {
        open.delete(gathered);
        return conclude(gathered);
      };
    },
    close: () => timer.cancel(),
  };
}

export type Observer = ReturnType<typeof createObserver>;
