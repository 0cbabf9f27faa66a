import { pino } from 'pino';
import type { Logger } from '../core/index.ts';

/** Structured logs, one JSON object a line on `destination` (default stdout). Prompts are never in them. */
export function createLogger(options: {
  level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  destination?: { write(line: string): void };
}): Logger {
  const settings = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err },
  };
  return options.destination === undefined
    ? pino(settings, pino.destination({ fd: 1, sync: true }))
    : pino(settings, options.destination);
}
