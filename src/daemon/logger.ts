import { pino } from 'pino';
import type { LogFields, Logger } from '../core/index.ts';

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
type Level = (typeof LEVELS)[number];

/** The logger of the whole process; rooms get children of it. */
export type RootLogger = Logger & {
  /** For all rooms, from now on. */
  setLevel(level: Level): void;
};

/** Lines that wait for room on a full disk; what is beyond is lost. */
const MOST_WAITING_BYTES = 256 * 1024;

/** Stdout; a log that cannot be written, on a full disk say, must not end who writes it. */
function standardOutput(): ReturnType<typeof pino.destination> {
  const output = pino.destination({ fd: 1, sync: true, maxLength: MOST_WAITING_BYTES });
  // What failed is kept and written with the next line.
  output.on('error', () => {});
  return output;
}

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
  const root = pino(settings, options.destination ?? standardOutput());
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
