/**
 * telemetry: what the node tells about itself. Coded health conditions with grace periods, and the
 * telemetry message with its rhythm. Promises: a missing reading is null with a reason, time is the
 * injected clock's, and nothing here reaches into a room: everything is handed in.
 */
export { buildTelemetry, type TelemetryInputs } from './build.ts';
export { createForwarder } from './forwarder.ts';
export { createHealth } from './health.ts';
export { HEALTH_TABLE } from './health-table.ts';
export { createTelemetryPublisher, type TelemetryPublisher } from './publisher.ts';
