import type { LogFields, Logger } from '../../src/core/index.ts';

export type LogLine = LogFields & { level: 'debug' | 'info' | 'warn' | 'error'; msg: string };

/** Keeps every line, as the daemon's logger would write it. */
export function createLogRecorder(): { logger: Logger; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const withFields = (fixed: LogFields): Logger => {
    const at = (level: LogLine['level']) => (fields: LogFields, msg: string) =>
      void lines.push({ ...fixed, ...fields, level, msg });
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => withFields({ ...fixed, ...fields }),
    };
  };
  return { logger: withFields({}), lines };
}
