import { createLaw } from '../../../src/governor/index.ts';
import type {
  Decision,
  GovernorBoard,
  GovernorSettings,
  GovernorStep,
  Law,
} from '../../../src/governor/index.ts';
import type { BoardSample, OperatingPoint, Reading } from '../../../src/protocol/index.ts';

/** Idle 2 W; 20 tokens/s at 4 W or 12 tokens/s at 1.8 W. Convex, as clocks are. */
export const POINTS: OperatingPoint[] = [
  point(4, 1_500_000, 20, 4),
  point(4, 1_000_000, 14, 2.3),
  point(4, 700_000, 11, 1.7),
];

function point(threads: number, freqKhz: number, rate: number, watts: number): OperatingPoint {
  return {
    threads,
    freqKhz,
    batch: 1,
    decodeTokensPerS: rate,
    prefillTokensPerS: rate * 5,
    watts,
    estimated: false,
  };
}

export const BOARD: GovernorBoard = {
  idleW: 2,
  points: POINTS,
  coreWatts: (threads, freqKhz) => threads * 0.45 * ((freqKhz ?? 1_500_000) / 1_500_000) ** 2,
  energyJPerByte: 1e-10,
  throttleC: 80,
  cores: 4,
};

export const SETTINGS: GovernorSettings = {
  budgetW: 2,
  scope: 'above_idle',
  rail: '',
  energyWhPerDay: 0,
  windows: [
    { seconds: 60, overPct: 0 },
    { seconds: 10, overPct: 3 },
    { seconds: 1, overPct: 10 },
  ],
  burstWindowS: 1,
  temperatureLimitC: 75,
};

export const MODEL = { bytesPerToken: 367e6, cacheBytesPerPosition: 0 };

export const makeLaw = (
  settings: Partial<GovernorSettings> = {},
  board: Partial<GovernorBoard> = {},
  state?: unknown,
): Law =>
  createLaw({
    settings: { ...SETTINGS, ...settings },
    board: { ...BOARD, ...board },
    model: MODEL,
    nowMs: 0,
    ...(state === undefined ? {} : { state }),
  });

export const watts = (value: number, ageMs = 0): Reading<'w'> => ({
  ok: true,
  value,
  unit: 'w',
  ageMs,
  quality: 'measured',
  source: 'test sensor',
});

export const celsius = (value: number): Reading<'c'> => ({
  ok: true,
  value,
  unit: 'c',
  ageMs: 0,
  quality: 'measured',
  source: 'test zone',
});

export const sampleAt = (atMs: number, change: Partial<BoardSample> = {}): BoardSample => ({
  atMs,
  boardW: watts(2),
  railsW: {},
  socC: celsius(50),
  throttled: [],
  underVoltage: false,
  throttleEvents: 0,
  freqKhz: null,
  treeCpuS: null,
  ...change,
});

export type RunOptions = {
  law: Law;
  seconds: number;
  fromS?: number;
  /** Does anybody want tokens? */
  load?: (timeS: number) => boolean;
  /** The plant's watts over what the points say. */
  dearer?: number;
  sensor?: { lagMs?: number; periodMs?: number; noiseW?: number; quantumW?: number };
  /** Last word on what the law gets to see. */
  distort?: (sample: BoardSample, timeS: number) => BoardSample;
  /** Steps of the plant over what the points say; called once a step. */
  stretchStep?: (index: number) => number;
  /** Share of the cores' time that a step gets; others have the rest, and their power is not counted. */
  share?: (timeS: number) => number;
  /** Temperature follows power when given: ambient and °C per watt, with a time constant. */
  thermal?: { ambientC: (timeS: number) => number; cPerW: number; settleS: number };
  /** Prompt tokens before every so many answer tokens. */
  prompt?: { tokens: number; answer: number };
  seed?: number;
};

export type Run = {
  /** True joules above idle since the start, every 10 ms. */
  joules: number[];
  tokens: number;
  decisions: Decision[];
  shares: number;
  hottestC: number;
  /** Every change of the ordered clock, s. */
  changesS: number[];
};

const TICK_MS = 5;
const GRID_MS = 10;

/** Law and plant together, in virtual time. */
export function run(options: RunOptions): Run {
  const { law, seconds, fromS = 0, dearer = 1, sensor = {}, load = () => true } = options;
  const { lagMs = 40, periodMs = 100, noiseW = 0, quantumW = 0 } = sensor;
  let seed = options.seed ?? 1;
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed / 2_147_483_648;
  };
  let energy = 0;
  let lagged = 2;
  let read = { value: 2, atMs: fromS * 1000 };
  let socC = 40;
  let cpuS = 0;
  let left = 0;
  let running: { step: GovernorStep; watts: number; startMs: number; totalMs: number } | undefined;
  let askAtMs = 0;
  let promptLeft = options.prompt?.tokens ?? 0;
  let answered = 0;
  let index = 0;
  const found: Run = {
    joules: [0],
    tokens: 0,
    decisions: [],
    shares: 0,
    hottestC: 0,
    changesS: [],
  };
  let { order, chunkRows } = law.decide(fromS * 1000);
  const ticks = Math.round((seconds * 1000) / TICK_MS);
  for (let tick = 0; tick < ticks; tick++) {
    const nowMs = fromS * 1000 + tick * TICK_MS;
    const timeS = nowMs / 1000;
    if (tick % 20 === 0) {
      const sample = sampleAt(nowMs, {
        boardW: watts(read.value, nowMs - read.atMs),
        socC: celsius(socC),
        treeCpuS: cpuS,
        freqKhz: order.maxFreqKhz,
      });
      law.observe(options.distort?.(sample, timeS) ?? sample);
      const decision = law.decide(nowMs);
      found.decisions.push(decision);
      if (decision.order.maxFreqKhz !== order.maxFreqKhz) found.changesS.push(timeS);
      ({ order, chunkRows } = decision);
    }
    if (running === undefined && load(timeS) && nowMs >= askAtMs) {
      const rows = Math.min(promptLeft, chunkRows);
      const step: GovernorStep =
        rows > 0
          ? { phase: 'prefill', rows, position: 0 }
          : { phase: 'decode', rows: 1, position: answered };
      const grant = law.ask(step, nowMs);
      if (grant.kind === 'wait') askAtMs = grant.untilMs;
      else {
        law.begin(step, nowMs);
        const at = POINTS.find(({ freqKhz }) => freqKhz === order.maxFreqKhz) ?? POINTS[0];
        const { decodeTokensPerS: rate, watts: drawn } = at as OperatingPoint;
        const singleS = 1 / rate;
        const takesS = rows > 0 ? Math.max(singleS, rows / (rate * 5)) : singleS;
        const totalMs = takesS * 1000 * (options.stretchStep?.(index) ?? 1);
        index += 1;
        running = { step, watts: drawn * dearer, startMs: nowMs, totalMs };
        left = totalMs;
      }
    }
    const busyMs =
      running === undefined ? 0 : Math.min(TICK_MS * (options.share?.(timeS) ?? 1), left);
    const drawn = ((running?.watts ?? 0) * busyMs) / TICK_MS;
    energy += (drawn * TICK_MS) / 1000;
    cpuS += (4 * busyMs) / 1000;
    const truth = 2 + drawn;
    lagged = lagMs > 0 ? truth + (lagged - truth) * Math.exp(-TICK_MS / lagMs) : truth;
    if (nowMs + TICK_MS - read.atMs >= periodMs) {
      const noisy = lagged + noiseW * (random() + random() + random() - 1.5) * 2;
      const value = quantumW > 0 ? Math.round(noisy / quantumW) * quantumW : noisy;
      read = { value: Math.max(0, value), atMs: nowMs + TICK_MS };
    }
    if (options.thermal) {
      const { ambientC, cPerW, settleS } = options.thermal;
      const target = ambientC(timeS) + cPerW * truth;
      socC += ((target - socC) * TICK_MS) / 1000 / settleS;
      found.hottestC = Math.max(found.hottestC, socC);
    }
    if (running !== undefined) {
      left -= busyMs;
      if (left <= 1e-6) {
        const endMs = nowMs + busyMs;
        const report = options.share
          ? { durationMs: endMs - running.startMs, cpuMs: running.totalMs * 4 }
          : { durationMs: running.totalMs };
        found.shares += law.end({ ...running.step, ...report }, endMs).joules;
        if (running.step.phase === 'prefill') promptLeft -= running.step.rows;
        else {
          found.tokens += 1;
          answered += 1;
          if (options.prompt && answered >= options.prompt.answer) {
            answered = 0;
            promptLeft = options.prompt.tokens;
          }
        }
        running = undefined;
      }
    }
    if ((tick + 1) % (GRID_MS / TICK_MS) === 0) found.joules.push(energy);
  }
  if (running !== undefined) law.abandon((fromS + seconds) * 1000);
  return found;
}

/** The largest mean over so many seconds, from a time on. */
export function worstMeanW({ joules }: Run, seconds: number, fromS = 0): number {
  const span = Math.round((seconds * 1000) / GRID_MS);
  let worst = 0;
  for (let end = span + (fromS * 1000) / GRID_MS; end < joules.length; end++) {
    worst = Math.max(worst, ((joules[end] ?? 0) - (joules[end - span] ?? 0)) / seconds);
  }
  return worst;
}

/** Mean power between two times. */
export function meanW({ joules }: Run, fromS: number, toS: number): number {
  const at = (timeS: number) => joules[Math.round((timeS * 1000) / GRID_MS)] ?? 0;
  return (at(toS) - at(fromS)) / (toS - fromS);
}
