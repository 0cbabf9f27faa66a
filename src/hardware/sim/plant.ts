import { type PlantParameters, ROOM_C, type SensorParameters } from './parameters.ts';
import { createPowerSensor } from './power-sensor.ts';
import { boardW, type PlantLoad, type PowerParts, powerParts, stepAtMost } from './power.ts';
import { createRandom } from './random.ts';

/** How much dearer the true board is than its parameters say; 0.1 is 10 %. */
export type PlantErrors = { cores?: number; dram?: number; idle?: number };

export type PlantOptions = {
  parameters: PlantParameters;
  /** Repeats the sensor's noise. */
  seed: number;
  errors?: PlantErrors;
  /** Default 25, as in a room. */
  ambientC?: number;
  /** What the sensor does differently from the parameters. */
  sensor?: Partial<SensorParameters>;
};

export type Plant = {
  /** Parameters with the errors applied: the truth. */
  truth: PlantParameters;
  /** Lets `dtMs` pass under a constant load, with the clock bounded by `maxFreqKhz` (null: unbounded). */
  advance(dtMs: number, load: PlantLoad & { maxFreqKhz: number | null }): void;
  nowMs(): number;
  setAmbientC(ambientC: number): void;
  /** Power of the board in the last advance, watts. */
  trueW(): number;
  trueParts(): PowerParts;
  /** All energy since the start, joules. */
  energyJ(): number;
  socC(): number;
  boardC(): number;
  /** Clock of the cores now. */
  freqKhz(): number;
  /** The clock that a bound comes to, firmware's own bounds included. */
  freqUnder(maxFreqKhz: number | null): number;
  /** Names as in BoardSample; empty while firmware leaves the board alone. */
  throttled(): string[];
  /** Times that firmware began to throttle. */
  throttleEvents(): number;
  underVoltage(): boolean;
  /** What the board's power sensor says. */
  sensed(): { watts: number; ageMs: number };
};

/** Heat flows are integrated in steps of at most this; the smallest time constant is seconds. */
const THERMAL_STEP_MS = 50;
/** A sagging supply recovers below this share of the power at which it sagged. */
const UNDER_VOLTAGE_RECOVERY = 0.9;

function withErrors(parameters: PlantParameters, errors: PlantErrors): PlantParameters {
  return {
    ...parameters,
    coreF: parameters.coreF * (1 + (errors.cores ?? 0)),
    leakageW: parameters.leakageW * (1 + (errors.cores ?? 0)),
    dramJPerByte: parameters.dramJPerByte * (1 + (errors.dram ?? 0)),
    idleW: parameters.idleW * (1 + (errors.idle ?? 0)),
  };
}

/**
 * A board in virtual time. Two heat capacities (SoC, board with heatsink) between the cores' power
 * and the ambient air; the cores' and memory's power heats the SoC, the rest of idle the board.
 */
export function createPlant(options: PlantOptions): Plant {
  const truth = withErrors(options.parameters, options.errors ?? {});
  const { thermal, throttle } = truth;
  const random = createRandom(options.seed);
  let ambientC = options.ambientC ?? ROOM_C;
  // At rest: idle power has flowed to the air for long.
  let boardC = ambientC + truth.idleW * thermal.boardToAmbientCPerW;
  let socC = boardC;
  let nowMs = 0;
  let energyJ = 0;
  let soft = false;
  let hard = false;
  let sagging = false;
  let events = 0;
  const lowestKhz = stepAtMost(truth, 0).freqKhz;
  let freqKhz = lowestKhz;
  let parts: PowerParts = { coresW: 0, dramW: 0, idleW: truth.idleW };
  const sensor = createPowerSensor({ ...truth.sensor, ...options.sensor }, random, truth.idleW);

  function freqUnder(maxFreqKhz: number | null): number {
    let bound = maxFreqKhz ?? Infinity;
    if (soft) bound = Math.min(bound, throttle.softFreqKhz);
    if (hard || sagging) bound = lowestKhz;
    return stepAtMost(truth, bound).freqKhz;
  }

  function protect(): void {
    const was = soft || hard || sagging;
    const { softC, hardC, hysteresisC } = throttle;
    soft = socC >= softC || (soft && socC > softC - hysteresisC);
    hard = socC >= hardC || (hard && socC > hardC - hysteresisC);
    const weakW = truth.underVoltageW;
    if (weakW !== null) {
      const nowW = boardW(parts);
      sagging = nowW >= weakW || (sagging && nowW > weakW * UNDER_VOLTAGE_RECOVERY);
    }
    if (!was && (soft || hard || sagging)) events += 1;
  }

  function slice(dtMs: number, load: PlantLoad, maxFreqKhz: number | null): void {
    freqKhz = load.threadsBusy > 0 ? freqUnder(maxFreqKhz) : lowestKhz;
    parts = powerParts(truth, stepAtMost(truth, freqKhz), socC, load);
    const dtS = dtMs / 1000;
    const total = boardW(parts);
    energyJ += total * dtS;
    sensor.advance(dtMs, total);
    const intoBoardW = (socC - boardC) / thermal.socToBoardCPerW;
    const intoAirW = (boardC - ambientC) / thermal.boardToAmbientCPerW;
    socC += ((parts.coresW + parts.dramW - intoBoardW) * dtS) / thermal.socJPerC;
    boardC += ((intoBoardW + parts.idleW - intoAirW) * dtS) / thermal.boardJPerC;
    nowMs += dtMs;
    protect();
  }

  return {
    truth,
    advance(dtMs, { maxFreqKhz, ...load }) {
      let left = dtMs;
      while (left > 0) {
        const part = Math.min(left, THERMAL_STEP_MS);
        slice(part, load, maxFreqKhz);
        left -= part;
      }
    },
    nowMs: () => nowMs,
    setAmbientC(next) {
      ambientC = next;
    },
    trueW: () => boardW(parts),
    trueParts: () => parts,
    energyJ: () => energyJ,
    socC: () => socC,
    boardC: () => boardC,
    freqKhz: () => freqKhz,
    freqUnder,
    throttled() {
      const names: string[] = [];
      if (soft) names.push('soft_temp');
      if (hard) names.push('throttled');
      if (sagging) names.push('freq_capped');
      return names;
    },
    throttleEvents: () => events,
    underVoltage: () => sagging,
    sensed: () => sensor.read(),
  };
}
