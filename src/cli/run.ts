import type { Command } from 'commander';
import type { LoadedConfig } from '../config/index.ts';
import { type Clock, createSystemClock } from '../core/index.ts';
import type { RootLogger } from '../daemon/index.ts';
import { action, type CommonOptions, EXIT, withCommonOptions } from './common.ts';
import { loadConfigForCli } from './config.ts';
import { onSignals } from './interrupt.ts';
import { readableLog } from './log-format.ts';

/** Resolves with the reason of the first request to stop; a second signal ends the process at once. */
function stopRequested(clock: Clock): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (reason: string) => {
      if (asked) process.exit(EXIT.interrupted);
      asked = true;
      resolve(reason);
    };
    onSignals(['SIGTERM', 'SIGINT', 'SIGHUP'], clock, stop);
    // pm2 on systems without signals sends this instead.
    process.on('message', (message) => {
      if (message === 'shutdown') stop('shutdown message');
    });
  });
}

async function run(options: CommonOptions): Promise<void> {
  const config = loadConfigForCli(options);
  const clock = createSystemClock();
  const stop = stopRequested(clock);
  const { createLogger, openLog, openServiceNotifier } = await import('../daemon/index.ts');
  const logger = createLogger({
    ...config.values.log,
    destination: process.stdout.isTTY ? readableLog(process.stdout) : openLog(process.env),
  });
  const notifier = await openServiceNotifier(process.env);
  if (notifier === undefined && process.env['NOTIFY_SOCKET']) {
    logger.warn({}, 'NOTIFY_SOCKET is set but cannot be used: the service manager hears nothing');
  }
  try {
    await serve({ config, clock, logger, stop, tell: (fields) => void notifier?.notify(fields) });
  } finally {
    notifier?.close();
    // pm2's channel would keep the process alive.
    if (process.connected) process.disconnect();
  }
}

/** The daemon's life: started, ready, watched, stopped; each told to the service manager. */
async function serve(context: {
  config: LoadedConfig;
  clock: Clock;
  logger: RootLogger;
  stop: Promise<string>;
  tell: (fields: Record<string, string | number>) => void;
}): Promise<void> {
  const { config, clock, logger, tell } = context;
  const { createWatchdogFeeder, progressSinceLastAsked, startDaemon, watchdogUsec } =
    await import('../daemon/index.ts');
  const { promise: restart, resolve: requestRestart } = Promise.withResolvers<string>();
  tell({ STATUS: 'starting' });
  const daemon = await startDaemon({
    config,
    logger,
    clock,
    requestRestart(reason) {
      // A service manager starts again only what ended with a failure.
      process.exitCode = EXIT.failed;
      requestRestart(reason);
    },
  });
  const ended = Promise.race([context.stop, restart]);
  const isReady = await Promise.race([daemon.ready.then(() => true), ended.then(() => false)]);
  const usec = watchdogUsec(process.env, process.pid);
  let feeder: { stop(): void } | undefined;
  if (isReady) {
    tell({ READY: 1, STATUS: `serving as ${config.values.node.id}` });
    process.send?.('ready');
    if (usec !== undefined) {
      const healthy = progressSinceLastAsked(daemon);
      feeder = createWatchdogFeeder({ usec, healthy, clock, notify: tell });
    }
  }
  const reason = await ended;
  tell({ STOPPING: 1, STATUS: `stopping (${reason}): finishing what runs` });
  await daemon.stop(reason);
  feeder?.stop();
}

export function addRunCommand(program: Command): void {
  withCommonOptions(
    program.command('run').description('the daemon, in the foreground; logs to stdout'),
    { json: false },
  )
    .addHelpText(
      'after',
      `
SIGTERM or Ctrl-C finishes the running prompts and ends; a second one ends at once.

Examples:
  twowatt run --set mqtt.url=mqtt://broker.local:1883
  twowatt run --config ./twowatt.yaml
  TWOWATT_MQTT__EMBEDDED=true twowatt run        with a broker of its own, on this machine only`,
    )
    .action(action(run));
}
