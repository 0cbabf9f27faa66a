/**
 * engine: the INT8 engine in a process of its own, and the supervisor that keeps it alive.
 *
 * Promises: inference never runs on the daemon's event loop; the engine process may be killed at any
 * moment, and a running prompt is then run once more or ends with a coded error; the same greedy
 * request gives the same text whatever ran before it and however it is paced; nothing leaves the
 * process but its channel to the supervisor (no network, no telemetry files).
 */
export { createHoldableGate, type Step, type StepReport } from './gate.ts';
export type { ModelTrouble } from './messages.ts';
export { createEngineSupervisor, type EngineSupervisor } from './supervisor.ts';
export type { EngineSupervisorOptions } from './supervisor-options.ts';
export { untilReady } from './until-ready.ts';
