/**
 * tracing: a prompt's way as spans, sent to an OpenTelemetry collector (OTLP over HTTP, JSON). Loaded only
 * where `tracing.endpoint` is set. It never waits: spans stand in a bounded line and are dropped when the
 * collector does not take them.
 */
export { createTracing } from './tracing.ts';
