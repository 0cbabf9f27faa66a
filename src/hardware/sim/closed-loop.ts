import type { ActuatorOrder, BoardSample, OperatingPoint, Reading } from '../../protocol/index.ts';
import type { PacerFactory } from './pacer.ts';
import type { PlantParameters } from './parameters.ts';
import { createPlant, type Plant } from './plant.ts';
import { type Arrival, arrivalsOf, type Scenario, valueAt } from './scenario.ts';
import { type SimStep, stepCost } from './virtual-engine.ts';

export type StepRecord = SimStep & {
  startMs: number;
  endMs: number;
  /** Above idle, from the plant. */
  joules: number;
  expectedJ: number | null;
};

/** Everything that a run left behind; grids have `gridMs` between their values. */
export type Recording = {
  scenario: Scenario;
  parameters: PlantParameters;
  plant: Plant;
  gridMs: number;
  /** Joules above idle since the start, at each grid time; the first is 0. */
  joules: number[];
  socC: number[];
  /** Above idle, as the pacer was told it; null while it was told nothing. */
  sensedW: (number | null)[];
  freqKhz: number[];
  threads: number[];
  steps: StepRecord[];
  requestsDone: number;
  /** First decode steps, which the scenario may make dear. */
  coldTokens: number;
  /** Wall time that the pacer itself took, ms. */
  pacerMs: number;
  /** Age of the power reading at each sample, ms. */
  sensorAgeMs: number[];
};

const GRID_MS = 50;
const SAMPLE_HZ = 10;
/** Simulated time between two looks of whoever runs it; some milliseconds of real time. */
const YIELD_MS = 5_000;
/** The shortest time after which a refused step asks again, so that no pacer can stop time. */
const SHORTEST_WAIT_MS = 1;
/** Limits change: nobody waits longer without asking again. */
const LONGEST_WAIT_MS = 100;

type Request = Arrival & { prefilled: number; answered: number };
type Running = {
  step: SimStep;
  startMs: number;
  startJ: number;
  expectedJ: number | null;
  done: number;
};

/** Runs scenario, engine and plant with a pacer in virtual time; the same seed gives the same run. */
export function runClosedLoop(...run: Parameters<typeof closedLoop>): Recording {
  const steps = closedLoop(...run);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/**
 * The same in parts: yields the share of the run that is done, 0 to 1, so that whoever runs it can
 * show progress and be interrupted.
 */
export function* closedLoop(
  scenario: Scenario,
  parameters: PlantParameters,
  points: OperatingPoint[],
  createPacer: PacerFactory,
): Generator<number, Recording> {
  const plant = createPlant({
    parameters,
    seed: scenario.seed,
    errors: definedOnly(scenario.errors),
    ambientC: valueAt(scenario.ambient_c, 0),
    sensor: definedOnly({
      lagMs: scenario.sensor.lag_ms,
      noiseW: scenario.sensor.noise_w,
      quantumW: scenario.sensor.quantum_w,
      periodMs: scenario.sensor.period_ms,
    }),
  });
  const endMs = scenario.duration_s * 1000;
  let budgetW = valueAt(scenario.budget_w, 0);
  let pacerMs = 0;
  const timed = <Value>(call: () => Value): Value => {
    const before = process.hrtime.bigint();
    const value = call();
    pacerMs += Number(process.hrtime.bigint() - before) / 1e6;
    return value;
  };
  const pacer = createPacer({
    points,
    nominal: parameters,
    idleW: plant.truth.idleW,
    budgetW,
    temperatureLimitC: scenario.temperature_limit_c ?? parameters.limitC,
    sampleHz: SAMPLE_HZ,
  });

  const arrivals = arrivalsOf(scenario);
  let nextArrival = 0;
  const queue: Request[] = [];
  let active: Request | undefined;
  let running: Running | undefined;
  let order: ActuatorOrder = { threads: parameters.cores, maxFreqKhz: null };
  let retryAtMs = 0;
  let nextSampleMs = 0;
  let nextGridMs = GRID_MS;
  let cpuS = 0;
  let requestsDone = 0;
  let coldTokens = 0;
  let lastEvents = 0;
  let frozen: { watts: number; ageMs: number } | undefined;
  let told: number | null = null;
  let nextYieldMs = YIELD_MS;
  const joules = [0];
  const socC = [plant.socC()];
  const sensedW: (number | null)[] = [null];
  const freqKhz = [plant.freqKhz()];
  const threads = [order.threads];
  const steps: StepRecord[] = [];
  const sensorAgeMs: number[] = [];
  const idleW = plant.truth.idleW;
  const aboveIdleJ = () => plant.energyJ() - (idleW * plant.nowMs()) / 1000;
  const changes = [...scenario.budget_w, ...scenario.ambient_c].map(([atS]) => atS * 1000);

  function nextRequest(): Request | undefined {
    if (arrivals === null && scenario.load.kind === 'steady') {
      const { prompt_tokens: promptTokens, answer_tokens: answerTokens } = scenario.load;
      return { atS: 0, promptTokens, answerTokens, prefilled: 0, answered: 0 };
    }
    return queue.shift();
  }

  function nextStep(request: Request): SimStep {
    const left = request.promptTokens - request.prefilled;
    if (left > 0) {
      const rows = timed(() => pacer.chunkRows(left, request.prefilled));
      return {
        phase: 'prefill',
        rows: Math.max(1, Math.min(left, Math.floor(rows))),
        position: request.prefilled,
      };
    }
    return { phase: 'decode', rows: 1, position: request.promptTokens + request.answered };
  }

  function durationMs(step: SimStep): number {
    const at = { threads: order.threads, freqKhz: plant.freqUnder(order.maxFreqKhz) };
    const first = step.phase === 'decode' && active?.answered === 0;
    return stepCost(parameters, step, at).durationMs * (first ? scenario.cold_first_token : 1);
  }

  function readPower(nowMs: number): Reading<'w'> {
    const fault = scenario.sensor_faults.find(
      ({ from_s, to_s }) => from_s * 1000 <= nowMs && nowMs < to_s * 1000,
    );
    if (!scenario.power_sensor) return { ok: false, reason: 'the board has no power sensor' };
    if (fault?.kind === 'lost') return { ok: false, reason: 'the sensor is gone' };
    if (fault?.kind === 'absurd') return reading(1e9, 0);
    if (fault?.kind !== 'frozen') {
      frozen = plant.sensed();
      sensorAgeMs.push(frozen.ageMs);
    }
    return reading(frozen?.watts ?? 0, frozen?.ageMs ?? 0);
  }

  function takeSample(nowMs: number): BoardSample {
    const hot = scenario.sensor_faults.some(
      (fault) =>
        fault.kind === 'temperature_lost' &&
        fault.from_s * 1000 <= nowMs &&
        nowMs < fault.to_s * 1000,
    );
    const events = plant.throttleEvents();
    const fresh = events - lastEvents;
    lastEvents = events;
    return {
      atMs: nowMs,
      boardW: readPower(nowMs),
      railsW: {},
      socC: hot
        ? { ok: false, reason: 'the zone cannot be read' }
        : {
            ok: true,
            // The kernel's zones have steps of about half a degree on these boards.
            value: Math.round(plant.socC() * 2) / 2,
            unit: 'c',
            ageMs: 0,
            quality: 'measured',
            source: 'simulated',
          },
      throttled: plant.throttled(),
      underVoltage: plant.underVoltage(),
      throttleEvents: fresh,
      freqKhz: plant.freqKhz(),
      treeCpuS: cpuS,
    };
  }

  while (plant.nowMs() < endMs - 1e-6) {
    const nowMs = plant.nowMs();
    const budgetNow = valueAt(scenario.budget_w, nowMs / 1000);
    if (budgetNow !== budgetW) {
      budgetW = budgetNow;
      timed(() => pacer.setBudget(budgetW, nowMs));
      retryAtMs = nowMs;
    }
    plant.setAmbientC(valueAt(scenario.ambient_c, nowMs / 1000));
    for (;;) {
      const arrival = arrivals?.[nextArrival];
      if (arrival === undefined || arrival.atS * 1000 > nowMs + 1e-6) break;
      queue.push({ ...arrival, prefilled: 0, answered: 0 });
      nextArrival += 1;
    }
    if (nowMs >= nextSampleMs - 1e-6) {
      const sample = takeSample(nowMs);
      told = sample.boardW.ok ? sample.boardW.value - idleW : null;
      order = timed(() => pacer.sample(sample, nowMs));
      nextSampleMs += 1000 / SAMPLE_HZ;
    }
    active ??= nextRequest();
    if (running === undefined && active !== undefined && nowMs >= retryAtMs - 1e-6) {
      const step = nextStep(active);
      const expectedJ = timed(() => pacer.expectedJ?.(step) ?? null);
      const waitMs = timed(() => pacer.ask(step, nowMs));
      if (waitMs > 0)
        retryAtMs = nowMs + Math.min(LONGEST_WAIT_MS, Math.max(SHORTEST_WAIT_MS, waitMs));
      else {
        running = { step, startMs: nowMs, startJ: aboveIdleJ(), expectedJ, done: 0 };
      }
    }

    const whole = running === undefined ? Infinity : durationMs(running.step);
    const leftMs = running === undefined ? Infinity : whole * (1 - running.done);
    const waitMs = running !== undefined || active === undefined ? Infinity : retryAtMs - nowMs;
    const arrivalMs = (arrivals?.[nextArrival]?.atS ?? Infinity) * 1000 - nowMs;
    const changeMs = Math.min(...changes.filter((at) => at > nowMs + 1e-6), Infinity) - nowMs;
    const dtMs = Math.min(
      endMs - nowMs,
      nextGridMs - nowMs,
      nextSampleMs - nowMs,
      leftMs,
      Math.max(waitMs, 1e-3),
      Math.max(arrivalMs, 1e-3),
      changeMs,
    );
    const load =
      running === undefined
        ? { threadsBusy: 0, bytesPerS: 0 }
        : stepCost(parameters, running.step, {
            threads: order.threads,
            freqKhz: plant.freqUnder(order.maxFreqKhz),
          }).load;
    plant.advance(dtMs, { ...load, maxFreqKhz: order.maxFreqKhz });
    cpuS += (load.threadsBusy * dtMs) / 1000;

    const thenMs = plant.nowMs();
    if (running !== undefined) {
      running.done += dtMs / whole;
      if (running.done >= 1 - 1e-9) {
        const { step, startMs, startJ, expectedJ } = running;
        steps.push({ ...step, startMs, endMs: thenMs, joules: aboveIdleJ() - startJ, expectedJ });
        timed(() => pacer.report({ ...step, durationMs: thenMs - startMs }, thenMs));
        running = undefined;
        retryAtMs = thenMs;
        if (active !== undefined) {
          if (step.phase === 'prefill') active.prefilled += step.rows;
          else {
            coldTokens += active.answered === 0 ? 1 : 0;
            active.answered += 1;
          }
          if (active.answered >= active.answerTokens) {
            active = undefined;
            requestsDone += 1;
          }
        }
      }
    }
    if (thenMs >= nextGridMs - 1e-6) {
      joules.push(aboveIdleJ());
      socC.push(plant.socC());
      sensedW.push(told);
      freqKhz.push(plant.freqKhz());
      threads.push(order.threads);
      nextGridMs += GRID_MS;
    }
    if (thenMs >= nextYieldMs) {
      yield thenMs / endMs;
      nextYieldMs = thenMs + YIELD_MS;
    }
  }
  return {
    scenario,
    parameters,
    plant,
    gridMs: GRID_MS,
    joules,
    socC,
    sensedW,
    freqKhz,
    threads,
    steps,
    requestsDone,
    coldTokens,
    pacerMs,
    sensorAgeMs,
  };
}

const reading = (value: number, ageMs: number): Reading<'w'> => ({
  ok: true,
  value,
  unit: 'w',
  ageMs,
  quality: 'measured',
  source: 'simulated',
});

/** Without the keys that are undefined, which exact optional types do not accept. */
function definedOnly<Value extends object>(
  value: Value,
): { [Key in keyof Value]?: Exclude<Value[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [Key in keyof Value]?: Exclude<Value[Key], undefined>;
  };
}
