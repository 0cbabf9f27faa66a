import type { Config } from '../../config/index.ts';
import { type Clock, silentLogger, sleep } from '../../core/index.ts';
import { type DeviceProfile, openSensors, type SensorFact } from '../../hardware/index.ts';
import type { BoardSample } from '../../protocol/index.ts';

/** The firmware tool is asked twice a second and two questions take turns; RAPL needs two readings. */
const PATIENCE_MS = 3_000;
const LOOK_MS = 100;

const POWER_KINDS = new Set(['ina3221', 'ina2xx', 'pi-pmic', 'rapl']);

/** False while a sensor that is there may still be about to answer. */
function settled(sample: BoardSample, facts: readonly SensorFact[]): boolean {
  const rails = Object.values(sample.railsW);
  const hasPower = facts.some(({ kind }) => POWER_KINDS.has(kind));
  const power = !hasPower || (rails.length > 0 && rails.every((rail) => rail.ok));
  const firmware = facts.some(({ kind }) => kind === 'pi-throttled');
  return power && (!firmware || sample.underVoltage !== null);
}

/** One reading of everything, as the daemon would take it, when the sensors have had time to answer. */
export async function readSensors(options: {
  hardware: Config['hardware'];
  profile: DeviceProfile | null;
  clock: Clock;
}): Promise<{ sample: BoardSample; facts: SensorFact[] }> {
  const { hardware, profile, clock } = options;
  const sensors = openSensors({
    sysfsRoot: hardware.sysfs_root,
    procRoot: hardware.proc_root,
    vcgencmd: hardware.vcgencmd,
    profile,
    clock,
    pid: process.pid,
    logger: silentLogger,
  });
  try {
    const untilMs = clock.monotonicMs() + PATIENCE_MS;
    for (;;) {
      const sample = sensors.sample();
      const facts = sensors.describe();
      if (settled(sample, facts) || clock.monotonicMs() >= untilMs) return { sample, facts };
      await sleep(clock, LOOK_MS);
    }
  } finally {
    sensors.close();
  }
}
