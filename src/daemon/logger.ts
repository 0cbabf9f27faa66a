import { pino } from 'pino';
import type { LogFields, Logger } from '../core/index.ts';

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
type Level = (typeof LEVELS)[number];

/** The logger of the whole process; rooms get children of it. */
export type RootLogger = Logger & {
  /** For all rooms, from now on. */
  setLevel(level: Level): void;
};

/** Structured logs, one JSON object a line on `destination` (default stdout). Prompts are not in them unless `log.prompts` says so. */
export function createLogger(options: {
  level: Level;
  destination?: { write(line: string): void };
}): RootLogger {
  const settings = {
    level: 'debug',
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err },
  };
  const root = pino(settings, options.destination ?? pino.destination({ fd: 1, sync: true }));
  // pino's children keep the level that they were born with; ours follow the root's.
  let threshold = LEVELS.indexOf(options.level);
  const follow = (logger: Logger): Logger => {
    const at = (level: Exclude<Level, 'silent'>) => {
      const rank = LEVELS.indexOf(level);
      return (fields: LogFields, message: string) => {
        if (rank >= threshold) logger[level](fields, message);
      };
    };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => follow(logger.child(fields)),
    };
  };
  return {
    ...follow(root),
    setLevel(level) {
      threshold = LEVELS.indexOf(level);
    },
  };
}
