import { type Clock, sleep, TwowattError } from '../../core/index.ts';
import type { Actuators } from '../actuators.ts';
import { judgeBoard, judgeIdle, judgeSignal, judgeSpread, spreadOf } from './judge.ts';
import { createObserver, type Observer, type PowerView, powerView } from './observer.ts';
import { type ChosenPoint, pointName } from './plan.ts';
import type {
  Calibration,
  CalibrationProgress,
  MeasuredPoint,
  PhaseFigures,
  Sampler,
  Subject,
  WattsInput,
  WindowWatts,
  WorkPhase,
  Workload,
} from './types.ts';

export type CalibrateOptions = {
  points: readonly ChosenPoint[];
  work: Workload;
  sample: Sampler;
  actuators: Pick<Actuators, 'apply' | 'canScale' | 'denied'>;
  input: WattsInput;
  /** Rails that the profile names, for boards whose sensor does not see the whole. */
  railNames: readonly string[];
  /** Where the board slows itself down, °C. */
  throttleC: number;
  seconds: { idle: number; warmUp: number; window: number };
  repeats: number;
  /** How far repeats may differ, as a share. */
  tolerance: number;
  clock: Clock;
  signal: AbortSignal;
  onProgress: (progress: CalibrationProgress) => void;
};

/** Sensor lag and the clock's way up are over after this. */
const SETTLE_MS = 500;
/** Loading the model and working leave the board warm and its meter behind. */
const REST_MS = 3000;
/** A point that was spoilt by something passing is measured once more. */
const TRIES = 2;
const PHASES: readonly WorkPhase[] = ['decode', 'prefill'];

type Bench = CalibrateOptions & { observer: Observer };

function checkAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new TwowattError('cancelled', 'the calibration was interrupted');
}

/** Watts while the window lasts: by the sensor over `lastsS`, or whatever the asked one answers. */
async function readWindow(
  bench: Bench,
  subject: Subject,
  name: string,
  lastsS: number,
): Promise<WindowWatts> {
  const { clock, input, observer, signal, throttleC } = bench;
  const end = observer.open();
  const told = input.kind === 'told' ? input.ask(subject, signal) : undefined;
  const [answer] = await Promise.all([told, sleep(clock, lastsS * 1000, signal)]);
  const seen = end();
  checkAborted(signal);
  judgeBoard(name, seen, throttleC);
  if (answer !== undefined) {
    // A value that is rounded to steps of r is off by r/√12 in the mean.
    return { watts: answer.watts, noiseW: answer.resolutionW / Math.sqrt(12), rails: {} };
  }
  if (seen.watts === null) {
    throw new TwowattError('invalid_request', `${name}: no power reading: ${seen.problem}`);
  }
  return seen.watts;
}

type Window = { tokensPerS: number; watts: WindowWatts; fromMs: number; toMs: number };

/** Runs `body` beside the work, and ends the work with it; a fault of the work ends `body`'s wait. */
async function whileWorking<Result>(
  bench: Bench,
  phase: WorkPhase,
  body: () => Promise<Result>,
): Promise<Result> {
  const stop = new AbortController();
  const signal = AbortSignal.any([bench.signal, stop.signal]);
  const working = bench.work.run(phase, signal);
  const ended = working.then((): never => {
    throw new TwowattError('cancelled', 'the calibration was interrupted');
  });
  try {
    return await Promise.race([body(), ended]);
  } finally {
    stop.abort();
    await working.catch(() => undefined);
  }
}

/** From the end of one step to the end of a later one: whole steps, however long they are. */
function measureWindow(bench: Bench, point: ChosenPoint, phase: WorkPhase): Promise<Window> {
  const { work, clock, seconds, signal } = bench;
  const name = `${pointName(point)}, ${phase}`;
  return whileWorking(bench, phase, async () => {
    await sleep(clock, SETTLE_MS, signal);
    const from = await work.nextStep(phase);
    const watts = await readWindow(bench, { kind: 'work', phase, ...point }, name, seconds.window);
    const to = await work.nextStep(phase);
    return {
      tokensPerS: ((to.tokens - from.tokens) * 1000) / (to.atMs - from.atMs),
      watts,
      fromMs: from.atMs,
      toMs: to.atMs,
    };
  });
}

function summarise(
  bench: Bench,
  name: string,
  windows: readonly Window[],
  idle: WindowWatts,
): PhaseFigures {
  const mean = (pick: (window: Window) => number) =>
    windows.reduce((sum, window) => sum + pick(window), 0) / windows.length;
  const watts = mean((window) => window.watts.watts) - idle.watts;
  const noise = Math.max(...windows.map((window) => window.watts.noiseW));
  const noiseW = Math.hypot(noise / Math.sqrt(windows.length), idle.noiseW);
  judgeSignal(name, watts, noiseW);
  const spread = Math.max(
    spreadOf(windows.map((window) => window.tokensPerS)),
    spreadOf(windows.map((window) => window.watts.watts - idle.watts)),
  );
  judgeSpread(name, spread, bench.tolerance);
  return {
    tokensPerS: mean((window) => window.tokensPerS),
    watts,
    noiseW,
    spread,
    windows: windows.map(({ fromMs, toMs }) => ({ fromMs, toMs })),
  };
}

async function measurePoint(
  bench: Bench,
  point: ChosenPoint,
  idle: WindowWatts,
  tick: (label: string) => void,
): Promise<MeasuredPoint> {
  const { clock, repeats, seconds, signal } = bench;
  const name = pointName(point);
  // The whole of the point is watched for its temperature, warm-up and all.
  const end = bench.observer.open();
  tick(`${name}: warming up`);
  await whileWorking(bench, 'decode', () => sleep(clock, seconds.warmUp * 1000, signal));
  const windows: Record<WorkPhase, Window[]> = { decode: [], prefill: [] };
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    // In turns, so that what drifts hits both alike.
    for (const phase of PHASES) {
      checkAborted(signal);
      tick(`${name}: ${phase}`);
      windows[phase].push(await measureWindow(bench, point, phase));
    }
  }
  const seen = end();
  return {
    ...point,
    decode: summarise(bench, `${name}, decode`, windows.decode, idle),
    prefill: summarise(bench, `${name}, prefill`, windows.prefill, idle),
    socC: seen.socC?.most ?? null,
  };
}

/** Orders threads and clock, and makes sure that the board does what was ordered. */
async function setUp(bench: Bench, point: ChosenPoint, before: ChosenPoint | undefined) {
  if (before?.threads !== point.threads) await bench.work.useThreads(point.threads);
  if (point.freqKhz === null) return;
  const { maxFreqKhz } = bench.actuators.apply({
    threads: point.threads,
    maxFreqKhz: point.freqKhz,
  });
  if (maxFreqKhz === point.freqKhz) return;
  throw new TwowattError(
    'unsupported',
    `${pointName(point)}: the clock stays at ${maxFreqKhz ?? '?'} kHz (${bench.actuators.denied() ?? 'another program bounds it'}); leave this step out (--clocks)`,
  );
}

/** Firmware that is asked through a program has its first answer a moment after the first look. */
async function findPower(options: CalibrateOptions): Promise<PowerView> {
  const { sample, railNames, clock, signal } = options;
  for (let waitedMs = 0; ; waitedMs += SETTLE_MS) {
    const view = powerView(sample(), railNames);
    if (!('reason' in view)) return view;
    checkAborted(signal);
    if (waitedMs >= REST_MS) {
      throw new TwowattError(
        'invalid_request',
        `this board has no power sensor that could be read (${view.reason}); give a wall meter's values with --meter or --watts FILE.json`,
      );
    }
    await sleep(clock, SETTLE_MS, signal);
  }
}

/**
 * Measures idle, then every point (warm-up, then decoding and prefill in turns, several times), then
 * idle again. Throws a coded error with the reason as soon as a figure cannot be trusted, and
 * `cancelled` when `signal` aborts. Threads and clock stay as they were last ordered.
 */
export async function calibrate(options: CalibrateOptions): Promise<Calibration> {
  const { clock, sample, input, seconds, repeats, signal, onProgress } = options;
  const view = input.kind === 'sensor' ? await findPower(options) : null;
  const observer = createObserver({ sample, clock, view });
  const bench: Bench = { ...options, observer };
  const total = options.points.length * (repeats * PHASES.length + 1) + 2;
  let done = 0;
  // A point that is measured again goes beyond the total.
  const tick = (label: string) => onProgress({ label, done: Math.min(done++, total), total });
  try {
    tick('idle');
    await sleep(clock, REST_MS, signal);
    const before = await readWindow(bench, { kind: 'idle' }, 'idle', seconds.idle);
    const measured: MeasuredPoint[] = [];
    for (const [index, point] of options.points.entries()) {
      checkAborted(signal);
      await setUp(bench, point, options.points[index - 1]);
      measured.push(await tryTwice(() => measurePoint(bench, point, before, tick), signal));
    }
    const after = input.kind === 'sensor' ? await idleAgain(bench, tick) : before;
    const smallest = Math.min(...measured.map(({ decode }) => decode.watts));
    judgeIdle(before, after, smallest, options.tolerance);
    const idle = meanOf(before, after);
    const lower = (figures: PhaseFigures): PhaseFigures => ({
      ...figures,
      watts: figures.watts + before.watts - idle.watts,
    });
    const points = measured.map((point) =>
      Object.assign(point, { decode: lower(point.decode), prefill: lower(point.prefill) }),
    );
    return {
      idle,
      points,
      meter: view?.about ?? (input.kind === 'told' ? input.about : ''),
      wholeBoard: view?.wholeBoard ?? true,
      notes: notesOf(options, measured),
    };
  } finally {
    observer.close();
  }
}

async function idleAgain(bench: Bench, tick: (label: string) => void): Promise<WindowWatts> {
  tick('idle again');
  await sleep(bench.clock, REST_MS, bench.signal);
  return readWindow(bench, { kind: 'idle' }, 'idle', bench.seconds.idle);
}

/** A warm chip leaks more, so what lies between two idles was measured above something between them. */
function meanOf(before: WindowWatts, after: WindowWatts): WindowWatts {
  return {
    watts: (before.watts + after.watts) / 2,
    noiseW: Math.hypot(before.noiseW, after.noiseW) / 2,
    rails: Object.fromEntries(
      Object.entries(before.rails).map(([name, watts]) => [
        name,
        (watts + (after.rails[name] ?? watts)) / 2,
      ]),
    ),
  };
}

/** Noise and strays pass; heat and a refused order do not. */
async function tryTwice<Result>(body: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await body();
    } catch (error) {
      const passing = error instanceof TwowattError && error.code === 'invalid_request';
      if (!passing || attempt >= TRIES || signal.aborted) throw error;
    }
  }
}

function notesOf(options: CalibrateOptions, measured: readonly MeasuredPoint[]): string[] {
  const denied = options.actuators.denied();
  return [
    ...(denied === null ? [] : [`the clock could not be set (${denied}): threads only`]),
    ...(measured.every(({ socC }) => socC === null)
      ? ['the temperature could not be read: unsteadiness by heat would have gone unnoticed']
      : []),
  ];
}
