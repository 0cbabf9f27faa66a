import type { DeviceProfile } from '../profile-schema.ts';
import { physicsOf } from './physics.ts';

/** A clock step of the simulated cores, which share one supply. */
export type VoltageStep = { freqKhz: number; voltageV: number };

/** How a simulated power sensor differs from the truth. */
export type SensorParameters = {
  /** Which driver the live folder imitates. */
  kind: 'ina3221' | 'ina2xx';
  /** Time constant of its averaging, ms. */
  lagMs: number;
  /** Smallest difference that it can tell, watts. */
  quantumW: number;
  /** Standard deviation of its noise, watts. */
  noiseW: number;
  /** Time between two conversions, ms. */
  periodMs: number;
};

/** What a simulated board is made of. */
export type PlantParameters = {
  /** Name of the device profile. */
  name: string;
  title: string;
  cores: number;
  /** Rising clocks. */
  steps: readonly VoltageStep[];
  /** Effective capacitance of one busy core, farads: dynamic watts = C·V²·f·activity. */
  coreF: number;
  /** Leakage of all cores at the lowest voltage and `referenceC`, watts; part of `idleW`. */
  leakageW: number;
  /** Degrees by which leakage grows e-fold. */
  leakageFoldC: number;
  /** Energy of one byte that comes from DRAM, beyond that of the cores, joules. */
  dramJPerByte: number;
  /** Board at idle at `referenceC`, watts. */
  idleW: number;
  /** Temperature of the board at rest in a room of 25 °C. */
  referenceC: number;
  thermal: {
    socJPerC: number;
    boardJPerC: number;
    socToBoardCPerW: number;
    boardToAmbientCPerW: number;
  };
  /** What firmware does to save itself. */
  throttle: {
    /** From here the clock is bounded to `softFreqKhz`. */
    softC: number;
    /** From here the clock is bounded to the lowest step. */
    hardC: number;
    hysteresisC: number;
    softFreqKhz: number;
  };
  /** What the governor keeps below by default, °C. */
  limitC: number;
  /** Board power from which a weak supply sags, watts; null: the supply is good. */
  underVoltageW: number | null;
  sensor: SensorParameters;
  /** Rates of the engine on these cores. */
  engine: {
    /** Shared by all cores, bytes per second. */
    bandwidthBytesPerS: number;
    /** What one core alone can pull from memory, bytes per cycle. */
    coreBytesPerCycle: number;
    /** INT8 multiplications and additions of one core, per cycle, as reached and not at peak. */
    coreOpsPerCycle: number;
    /** A core that waits for memory draws this share of a busy core's dynamic power. */
    stalledActivity: number;
  };
};

const JETSON_SENSOR: SensorParameters = {
  kind: 'ina3221',
  lagMs: 40,
  quantumW: 0.04,
  noiseW: 0.02,
  periodMs: 40,
};

/** Where idle power is measured and boards are calibrated. */
export const ROOM_C = 25;

const CORES_WHEN_UNKNOWN = 4;

const METER_SENSOR: SensorParameters = {
  kind: 'ina2xx',
  lagMs: 20,
  quantumW: 0.00625,
  noiseW: 0.01,
  periodMs: 20,
};

/** Lowest and highest supply of a core whose profile does not tell, typical of mobile processes. */
const TYPICAL_VOLTAGE_V = { lowest: 0.75, highest: 0.95 };

/**
 * A simulated board from a device profile. What a profile does not hold (heat capacities, the
 * sensor's lag, operations per cycle) comes from `physics.ts`, all of it estimated.
 */
export function plantParametersFrom(profile: DeviceProfile): PlantParameters {
  const physics = physicsOf(profile.name);
  const cluster = profile.cpu.clusters.toSorted(
    (a, b) => (b.dvfs.steps.at(-1)?.core_w ?? 0) - (a.dvfs.steps.at(-1)?.core_w ?? 0),
  )[0];
  const told = cluster?.dvfs.steps ?? [];
  const known = told.length > 0 ? told : [{ freq_khz: 1_500_000, core_w: 0.5 }];
  const lowest = known[0]?.freq_khz ?? 0;
  const span = Math.max(1, (known.at(-1)?.freq_khz ?? 0) - lowest);
  const steps = known.map((step) => ({
    freqKhz: step.freq_khz,
    voltageV:
      step.voltage_v ??
      TYPICAL_VOLTAGE_V.lowest +
        ((TYPICAL_VOLTAGE_V.highest - TYPICAL_VOLTAGE_V.lowest) * (step.freq_khz - lowest)) / span,
  }));
  // Least squares through the origin: core_w = C·V²·f.
  let squares = 0;
  let products = 0;
  known.forEach((step, index) => {
    const { voltageV, freqKhz } = steps[index] as VoltageStep;
    const unit = voltageV ** 2 * freqKhz * 1000;
    squares += unit ** 2;
    products += unit * step.core_w;
  });
  const throttleC = profile.thermal.throttle_c.value;
  const middle = steps[Math.floor(steps.length / 2)] as VoltageStep;
  return {
    name: profile.name,
    title: profile.title,
    cores: profile.cpu.clusters
      .filter(({ core }) => core === cluster?.core)
      .reduce((sum, { cores }) => sum + (cores ?? CORES_WHEN_UNKNOWN), 0),
    steps,
    coreF: products / squares,
    leakageW: physics.leakageW,
    leakageFoldC: 45,
    dramJPerByte: profile.memory.energy_j_per_byte.value,
    idleW: profile.power.idle_w.value,
    referenceC: ROOM_C + profile.power.idle_w.value * physics.thermal.boardToAmbientCPerW,
    thermal: physics.thermal,
    throttle: {
      softC: throttleC,
      hardC: throttleC + 5,
      hysteresisC: 5,
      softFreqKhz: middle.freqKhz,
    },
    limitC: profile.thermal.limit_c.value,
    underVoltageW: null,
    sensor: profile.power.sensors.some(({ kind }) => kind === 'ina3221')
      ? JETSON_SENSOR
      : METER_SENSOR,
    engine: {
      bandwidthBytesPerS: profile.memory.bandwidth_bytes_per_s.value,
      coreBytesPerCycle: physics.coreBytesPerCycle,
      coreOpsPerCycle:
        physics.coreOpsPerCycle ?? (cluster?.features.includes('dotprod') === true ? 16 : 5),
      stalledActivity: 0.85,
    },
  };
}
