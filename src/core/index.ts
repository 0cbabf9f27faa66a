/**
 * core: what every room may lean on. One coded error table, injected time, ids, the types of logger and tracing,
 * durable file replacement, ordered clean-up. Imports nothing of ours and holds no state.
 */
export * from './atomic-file.ts';
export * from './clock.ts';
export * from './cpu.ts';
export * from './errors.ts';
export * from './ids.ts';
export * from './logger.ts';
export * from './quiet-collector.ts';
export * from './scope.ts';
export * from './tracing.ts';
export * from './version.ts';
