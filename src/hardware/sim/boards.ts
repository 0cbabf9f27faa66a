import { TwowattError } from '../../core/index.ts';
import { loadProfiles } from '../profile.ts';
import { type PlantParameters, plantParametersFrom } from './parameters.ts';
import { physicsOf } from './physics.ts';

const STANDARD_SENSOR = { lagMs: 20, quantumW: 0.00625, noiseW: 0.01, periodMs: 20 };

/** Estimated boards for profiles that are not bundled; a bundled profile always comes first. */
const STANDBY: readonly PlantParameters[] = [
  {
    name: 'raspberry-pi-4b',
    title: 'Raspberry Pi 4 Model B',
    cores: 4,
    steps: [
      { freqKhz: 600_000, voltageV: 0.8 },
      { freqKhz: 750_000, voltageV: 0.81 },
      { freqKhz: 1_000_000, voltageV: 0.83 },
      { freqKhz: 1_500_000, voltageV: 0.88 },
    ],
    coreF: 0.55 / (0.88 ** 2 * 1.5e9),
    leakageW: physicsOf('raspberry-pi-4b').leakageW,
    leakageFoldC: 45,
    dramJPerByte: 1.5e-10,
    idleW: 3,
    thermal: physicsOf('raspberry-pi-4b').thermal,
    throttle: { softC: 80, hardC: 85, hysteresisC: 5, softFreqKhz: 1_000_000 },
    underVoltageW: null,
    sensor: { kind: 'ina2xx', ...STANDARD_SENSOR },
    engine: {
      bandwidthBytesPerS: 4e9,
      coreBytesPerCycle: 1.6,
      coreOpsPerCycle: 6,
      stalledActivity: 0.85,
    },
  },
  {
    name: 'raspberry-pi-zero-2-w',
    title: 'Raspberry Pi Zero 2 W',
    cores: 4,
    steps: [
      { freqKhz: 600_000, voltageV: 1.2 },
      { freqKhz: 1_000_000, voltageV: 1.2 },
    ],
    coreF: 0.45 / (1.2 ** 2 * 1e9),
    leakageW: physicsOf('raspberry-pi-zero-2-w').leakageW,
    leakageFoldC: 45,
    dramJPerByte: 2e-10,
    idleW: 0.6,
    thermal: physicsOf('raspberry-pi-zero-2-w').thermal,
    throttle: { softC: 80, hardC: 85, hysteresisC: 5, softFreqKhz: 600_000 },
    underVoltageW: null,
    sensor: { kind: 'ina2xx', ...STANDARD_SENSOR },
    engine: {
      bandwidthBytesPerS: 1.7e9,
      coreBytesPerCycle: 0.8,
      coreOpsPerCycle: 4,
      stalledActivity: 0.85,
    },
  },
  {
    name: 'jetson-orin-nano',
    title: 'Jetson Orin Nano',
    cores: 6,
    steps: [
      { freqKhz: 729_600, voltageV: 0.62 },
      { freqKhz: 1_036_800, voltageV: 0.66 },
      { freqKhz: 1_344_000, voltageV: 0.74 },
      { freqKhz: 1_510_400, voltageV: 0.8 },
    ],
    coreF: 0.75 / (0.8 ** 2 * 1.5104e9),
    leakageW: physicsOf('jetson-orin-nano').leakageW,
    leakageFoldC: 45,
    dramJPerByte: 0.8e-10,
    idleW: 4.2,
    thermal: physicsOf('jetson-orin-nano').thermal,
    throttle: { softC: 95, hardC: 99, hysteresisC: 5, softFreqKhz: 1_036_800 },
    underVoltageW: null,
    sensor: { kind: 'ina3221', lagMs: 40, quantumW: 0.04, noiseW: 0.02, periodMs: 40 },
    engine: {
      bandwidthBytesPerS: 22e9,
      coreBytesPerCycle: 3,
      coreOpsPerCycle: 16,
      stalledActivity: 0.85,
    },
  },
];

/** The simulated board of a name; throws `invalid_request` that lists the names there are. */
export function boardParameters(name: string): PlantParameters {
  const profiles = loadProfiles();
  const profile = profiles.find((candidate) => candidate.name === name);
  if (profile !== undefined) return plantParametersFrom(profile);
  const standby = STANDBY.find((candidate) => candidate.name === name);
  if (standby !== undefined) return standby;
  const names = new Set([...profiles, ...STANDBY].map((known) => known.name));
  throw new TwowattError(
    'invalid_request',
    `there is no board ${name} to simulate; expected one of ${[...names].sort().join(', ')}`,
    { param: 'board' },
  );
}
