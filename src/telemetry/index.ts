/**
 * telemetry: what the node tells about itself. Coded health conditions with grace periods, and the
 * telemetry message with its rhythm. Promises: a missing reading is null with a reason, time is the
 * injected clock's, and nothing here reaches into a room: everything is handed in.
 */
export { buildTelemetry, type SensorValue, type TelemetryInputs } from './build.ts';
export { createHealth, type Health, type HealthOptions } from './health.ts';
export { HEALTH_TABLE, type HealthEntry } from './health-table.ts';
export {
  createTelemetryPublisher,
  type TelemetryIntervals,
  type TelemetryPublisher,
  type TelemetryPublisherOptions,
} from './publisher.ts';
