/**
 * hardware: what the board is and what its sensors say, read from folders that look like /sys and
 * /proc. Promises: nothing here throws because a board is odd, no process is started for a reading,
 * and a missing reading is a reason, never a number. Device profiles bring what the kernel cannot tell.
 */
export {
  type ActuatorOptions,
  type ActuatorResult,
  type Actuators,
  type ClockBound,
  lookAtClockBounds,
  openActuators,
} from './actuators.ts';
export { type BoardSensors, openSensors, type SensorFact } from './board-sensors.ts';
export { availableMemoryBytes, type Board, detectBoard } from './board.ts';
export { createHostFacts } from './host-facts.ts';
export {
  bundledProfiles,
  type ChosenProfile,
  chooseProfile,
  loadProfiles,
  matchProfile,
  profileDefaultsFor,
  readProfile,
} from './profile.ts';
export { checkOverlay, type OverlayUse, type ProfileOverlay } from './profile-overlay.ts';
export { type ThrottleHistory, throttlingSinceBoot } from './sensors/throttling.ts';
export { createTimeSync } from './time-sync.ts';
export { readSocTemperature, readThermalZones, type ThermalZone } from './temperature.ts';
export type { DeviceProfile } from './profile-schema.ts';
