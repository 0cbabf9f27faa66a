/**
 * daemon: the composition root. It builds every room from the configuration, starts them in order,
 * stops them in the reverse order with a deadline, and is the only place that knows them all.
 */
export { GOVERNOR_STATE_FILE, settingsOf } from './governing.ts';
export { boardOf, modelOf } from './governor-board.ts';
export { createLogger, openLog, type RootLogger } from './logger.ts';
export {
  createWatchdogFeeder,
  openServiceNotifier,
  stuckSinceLastAsked,
  watchdogUsec,
} from './sd-notify.ts';
export { createReloader } from './reload.ts';
export { type Daemon, startDaemon } from './start.ts';
