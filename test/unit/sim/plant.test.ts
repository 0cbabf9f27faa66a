import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boardParameters } from '../../../src/hardware/sim/boards.ts';
import type { PlantParameters } from '../../../src/hardware/sim/parameters.ts';
import { createPlant, type Plant } from '../../../src/hardware/sim/plant.ts';
import { createPowerSensor } from '../../../src/hardware/sim/power-sensor.ts';
import { createRandom } from '../../../src/hardware/sim/random.ts';
import { loadProfiles } from '../../../src/hardware/index.ts';

const pi5 = boardParameters('raspberry-pi-5');
const full = { threadsBusy: 4, bytesPerS: 5e9, maxFreqKhz: null };
const nothing = { threadsBusy: 0, bytesPerS: 0, maxFreqKhz: null };

/** The same board without what makes its power depend on temperature. */
const withoutLeakage = (parameters: PlantParameters): PlantParameters => ({
  ...parameters,
  leakageW: 0,
});

describe('the power of a simulated board', () => {
  it('is its idle power when nothing runs in a room', () => {
    for (const { name } of loadProfiles()) {
      const parameters = boardParameters(name);
      const plant = createPlant({ parameters, seed: 1 });
      plant.advance(60_000, nothing);
      expect(plant.trueW(), name).toBeCloseTo(parameters.idleW, 2);
      expect(plant.socC(), name).toBeCloseTo(parameters.referenceC, 1);
    }
  });

  it('follows the profile’s watts of a core at each clock', () => {
    for (const profile of loadProfiles()) {
      const parameters = withoutLeakage(boardParameters(profile.name));
      const fastest = parameters.steps.at(-1)?.freqKhz;
      const steps =
        profile.cpu.clusters.find(({ dvfs }) => dvfs.steps.at(-1)?.freq_khz === fastest)?.dvfs
          .steps ?? [];
      for (const step of steps.filter((_, index) => index % 3 === 0)) {
        const plant = createPlant({ parameters, seed: 1 });
        plant.advance(10, { threadsBusy: 1, bytesPerS: 0, maxFreqKhz: step.freq_khz });
        const aboveW = plant.trueW() - parameters.idleW;
        // One capacitance has to do for all steps, so they need not all fit exactly.
        expect(Math.abs(aboveW / step.core_w - 1), `${profile.name} ${step.freq_khz}`).toBeLessThan(
          0.15,
        );
      }
    }
  });

  it('is the sum of its parts, and energy is its integral, however time is cut up', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            ms: fc.integer({ min: 1, max: 3000 }),
            threadsBusy: fc.integer({ min: 0, max: 4 }),
            gigabytes: fc.integer({ min: 0, max: 10 }),
          }),
          { minLength: 1, maxLength: 20 },
        ),
        (pieces) => {
          const parameters = withoutLeakage(pi5);
          const plant = createPlant({ parameters, seed: 3 });
          let joules = 0;
          for (const { ms, threadsBusy, gigabytes } of pieces) {
            plant.advance(ms, { threadsBusy, bytesPerS: gigabytes * 1e9, maxFreqKhz: null });
            const { coresW, dramW, idleW } = plant.trueParts();
            expect(plant.trueW()).toBeCloseTo(coresW + dramW + idleW, 9);
            joules += (plant.trueW() * ms) / 1000;
          }
          expect(plant.energyJ()).toBeCloseTo(joules, 6);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('is higher in a dearer board by just the error', () => {
    const parameters = withoutLeakage(pi5);
    const above = (plant: Plant) => {
      plant.advance(10, full);
      return plant.trueW() - plant.truth.idleW;
    };
    const nominal = above(createPlant({ parameters, seed: 1 }));
    const dearer = createPlant({ parameters, seed: 1, errors: { cores: 0.1, dram: 0.1 } });
    expect(above(dearer) / nominal).toBeCloseTo(1.1, 9);
  });
});

describe('the heat of a simulated board', () => {
  it('settles where the analytic solution is', () => {
    const parameters = withoutLeakage(pi5);
    const { boardToAmbientCPerW, socToBoardCPerW } = parameters.thermal;
    const plant = createPlant({ parameters, seed: 1, ambientC: 30 });
    plant.advance(3_600_000, { ...full, maxFreqKhz: 1_500_000 });
    const { coresW, dramW, idleW } = plant.trueParts();
    const boardC = 30 + boardToAmbientCPerW * (coresW + dramW + idleW);
    expect(plant.boardC()).toBeCloseTo(boardC, 2);
    expect(plant.socC()).toBeCloseTo(boardC + socToBoardCPerW * (coresW + dramW), 2);
  });

  it('keeps the books: heat in, less heat to the air, is heat stored', () => {
    const parameters = withoutLeakage(pi5);
    const { socJPerC, boardJPerC, boardToAmbientCPerW } = parameters.thermal;
    const plant = createPlant({ parameters, seed: 1 });
    const stored = () => socJPerC * plant.socC() + boardJPerC * plant.boardC();
    const before = stored();
    let lostJ = 0;
    for (let index = 0; index < 2000; index += 1) {
      lostJ += ((plant.boardC() - 25) / boardToAmbientCPerW) * 0.05;
      plant.advance(50, full);
    }
    expect(stored() - before).toBeCloseTo(plant.energyJ() - lostJ, 6);
  });

  it('grows faster in a hot chip, because leakage does', () => {
    const cold = createPlant({ parameters: pi5, seed: 1, ambientC: 10 });
    const hot = createPlant({ parameters: pi5, seed: 1, ambientC: 60 });
    cold.advance(10, full);
    hot.advance(10, full);
    expect(hot.trueW()).toBeGreaterThan(cold.trueW() + 0.05);
  });
});

describe('the firmware of a simulated board', () => {
  it('throttles from its limit on, and lets go only well below it', () => {
    const plant = createPlant({ parameters: pi5, seed: 1, ambientC: 70 });
    const { softC, hysteresisC, softFreqKhz } = pi5.throttle;
    const fastest = pi5.steps.at(-1)?.freqKhz;
    expect(plant.freqUnder(null)).toBe(fastest);
    while (plant.socC() < softC) plant.advance(50, full);
    expect(plant.throttled()).toContain('soft_temp');
    expect(plant.throttleEvents()).toBe(1);
    expect(plant.freqUnder(null)).toBeLessThanOrEqual(softFreqKhz);
    plant.setAmbientC(25);
    while (plant.socC() > softC - hysteresisC + 1) {
      plant.advance(50, nothing);
      expect(plant.throttled()).toContain('soft_temp');
    }
    while (plant.socC() > softC - hysteresisC) plant.advance(50, nothing);
    expect(plant.throttled()).toEqual([]);
    expect(plant.throttleEvents()).toBe(1);
    expect(plant.freqUnder(null)).toBe(fastest);
  });

  it('sags under a weak supply until the load is gone', () => {
    const plant = createPlant({ parameters: { ...pi5, underVoltageW: 3.5 }, seed: 1 });
    plant.advance(100, full);
    expect(plant.underVoltage()).toBe(true);
    expect(plant.freqUnder(null)).toBe(pi5.steps[0]?.freqKhz);
    plant.advance(100, nothing);
    expect(plant.underVoltage()).toBe(false);
    expect(plant.throttleEvents()).toBe(1);
  });
});

describe('a simulated sensor', () => {
  const quiet = { kind: 'ina2xx' as const, lagMs: 200, quantumW: 0, noiseW: 0, periodMs: 10 };

  it('lags by its time constant', () => {
    const sensor = createPowerSensor(quiet, createRandom(1), 1);
    sensor.advance(200, 3);
    expect(sensor.read().watts).toBeCloseTo(1 + 2 * (1 - Math.exp(-1)), 6);
  });

  it('converts at its own pace and tells how old its reading is', () => {
    const sensor = createPowerSensor({ ...quiet, lagMs: 0, periodMs: 100 }, createRandom(1), 1);
    sensor.advance(99, 5);
    expect(sensor.read()).toEqual({ watts: 1, ageMs: 99 });
    sensor.advance(31, 5);
    expect(sensor.read()).toEqual({ watts: 5, ageMs: 30 });
  });

  it('has noise of the stated size about the truth, in steps of its quantum', () => {
    const sensor = createPowerSensor(
      { ...quiet, lagMs: 0, noiseW: 0.2, quantumW: 0.01 },
      createRandom(7),
      2,
    );
    const readings = Array.from({ length: 4000 }, () => {
      sensor.advance(10, 2);
      return sensor.read().watts;
    });
    const mean = readings.reduce((sum, watts) => sum + watts, 0) / readings.length;
    const variance = readings.reduce((sum, watts) => sum + (watts - mean) ** 2, 0) / 4000;
    expect(mean).toBeCloseTo(2, 1);
    expect(Math.sqrt(variance)).toBeCloseTo(0.2, 1);
    expect(readings.every((watts) => Math.abs(watts * 100 - Math.round(watts * 100)) < 1e-6)).toBe(
      true,
    );
  });

  it('repeats itself for a seed and not for another', () => {
    const run = (seed: number) => {
      const plant = createPlant({ parameters: pi5, seed });
      return Array.from({ length: 50 }, () => {
        plant.advance(37, full);
        return plant.sensed().watts;
      });
    };
    expect(run(4)).toEqual(run(4));
    expect(run(4)).not.toEqual(run(5));
  });
});
