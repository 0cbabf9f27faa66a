import { ConfigError, type LoadedConfig, problemText } from '../config/index.ts';
import type { Clock, Logger } from '../core/index.ts';
import type { Daemon } from './start.ts';

/**
 * Reads the configuration anew when somebody asks (SIGHUP, `systemctl reload`) and hands it to the
 * daemon. A bad one changes nothing: every wrong key is logged, and the old one stays in force. Returns
 * what there is to show for it, one line for the service manager's status.
 */
export function createReloader(options: {
  load: () => LoadedConfig;
  daemon: Pick<Daemon, 'reload'>;
  logger: Logger;
  clock: Clock;
  /** To the service manager; see sd_notify(3). */
  tell: (fields: Record<string, string | number>) => void;
  /** What the daemon says of itself while nothing is to be added. */
  status: string;
}): () => void {
  const { load, daemon, logger, clock, tell, status } = options;

  function reload(): string {
    let next: LoadedConfig;
    try {
      next = load();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const { key, ...rest } of error.problems) {
        const why = problemText({ key, ...rest });
        logger.error({ key, why }, 'a new setting is wrong; the old configuration stays in force');
      }
      const keys = error.problems.map(({ key }) => key).join(', ');
      return `${status}; the new configuration is refused: ${keys}`;
    }
    for (const problem of next.problems) {
      logger.warn(
        { key: problem.key, reason: problem.message },
        'a value set over MQTT is ignored',
      );
    }
    const { applied, restart } = daemon.reload(next);
    for (const key of restart) {
      logger.warn({ key }, 'this setting has changed but takes effect only after a restart');
    }
    logger.info({ applied, restart }, 'configuration read anew');
    return restart.length === 0
      ? status
      : `${status}; a restart is needed for ${restart.join(', ')}`;
  }

  return () => {
    // MONOTONIC_USEC tells this reload's READY from an earlier one (Type=notify-reload).
    tell({ RELOADING: 1, MONOTONIC_USEC: Math.round(clock.monotonicMs() * 1000) });
    let shown = status;
    try {
      shown = reload();
    } catch (error) {
      logger.error(
        { error },
        'the configuration could not be read anew; the old one stays in force',
      );
      shown = `${status}; the new configuration could not be read`;
    } finally {
      tell({ READY: 1, STATUS: shown });
    }
  };
}
