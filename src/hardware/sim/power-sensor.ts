import type { SensorParameters } from './parameters.ts';
import type { Random } from './random.ts';

export type PowerSensor = {
  /** The true power has been `watts` for `dtMs`. */
  advance(dtMs: number, watts: number): void;
  /** Its last conversion and how long ago that was. */
  read(): { watts: number; ageMs: number };
};

/**
 * A sensor that averages (first-order lag), converts at its own pace, adds noise and rounds. The lag
 * is solved exactly for constant power, so results do not depend on how time is cut up.
 */
export function createPowerSensor(
  { lagMs, quantumW, noiseW, periodMs }: SensorParameters,
  random: Random,
  startW: number,
): PowerSensor {
  let lagged = startW;
  let reported = startW;
  let ageMs = 0;
  const settle = (dtMs: number, watts: number) => {
    lagged = lagMs > 0 ? watts + (lagged - watts) * Math.exp(-dtMs / lagMs) : watts;
  };
  return {
    advance(dtMs, watts) {
      let left = dtMs;
      while (ageMs + left >= periodMs) {
        const part = periodMs - ageMs;
        settle(part, watts);
        left -= part;
        ageMs = 0;
        const noisy = lagged + noiseW * random.normal();
        reported = Math.max(0, quantumW > 0 ? Math.round(noisy / quantumW) * quantumW : noisy);
      }
      settle(left, watts);
      ageMs += left;
    },
    read: () => ({ watts: reported, ageMs }),
  };
}
