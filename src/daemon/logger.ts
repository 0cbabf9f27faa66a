import { pino } from 'pino';
import type { LogFields, Logger } from '../core/index.ts';
import { goesToJournal, journalLog } from './journal-log.ts';

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
type Level = (typeof LEVELS)[number];

/** What is logged: from `level` on, where a room has no level of its own in `levels`. */
export type LogLevels = { level: Level; levels?: Readonly<Record<string, Level | undefined>> };

/** The logger of the whole process; rooms get children of it. */
export type RootLogger = Logger & {
  /** For all rooms, from now on. */
  setLevels(levels: LogLevels): void;
};

/** Lines that wait for room on a full disk; what is beyond is lost. */
const MOST_WAITING_BYTES = 256 * 1024;

/** Where the daemon's log goes unless a person reads it: stdout, with priorities where that is systemd's journal. */
export function openLog(env: Readonly<Record<string, string | undefined>>): {
  write(line: string): void;
} {
  const stdout = pino.destination({ fd: 1, sync: true, maxLength: MOST_WAITING_BYTES });
  // A log that cannot be written must not end who writes it; what failed goes with the next line.
  stdout.on('error', () => {});
  return goesToJournal(1, env) ? journalLog(stdout) : stdout;
}

/** Structured logs, one JSON object a line on `destination`. Prompts are not in them unless `log.prompts` says so. */
export function createLogger(
  options: LogLevels & { destination: { write(line: string): void } },
): RootLogger {
  const root = pino(
    {
      level: 'debug',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    options.destination,
  );
  // pino's children keep the level that they were born with; ours follow what is set now.
  let current: LogLevels = options;
  const withFields = (fixed: LogFields & { room: string }): Logger => {
    const logger = root.child(fixed);
    const at = (level: Exclude<Level, 'silent'>) => {
      const rank = LEVELS.indexOf(level);
      return (fields: LogFields, message: string) => {
        const least = current.levels?.[fixed.room] ?? current.level;
        if (rank >= LEVELS.indexOf(least)) logger[level](fields, message);
      };
    };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => withFields({ ...fixed, ...fields }),
    };
  };
  return {
    ...withFields({ room: 'daemon' }),
    setLevels(levels) {
      current = levels;
    },
  };
}
