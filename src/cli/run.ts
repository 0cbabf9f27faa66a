import type { Command } from 'commander';
import type { LoadedConfig } from '../config/index.ts';
import { type Clock, createSystemClock } from '../core/index.ts';
import type { RootLogger } from '../daemon/index.ts';
import { action, type CommonOptions, EXIT, withCommonOptions } from './common.ts';
import { loadConfigForCli, loadConfigOf } from './config.ts';
import { onSignals } from './interrupt.ts';
import { readableLog } from './log-format.ts';

/**
 * Resolves with the reason of the first request to stop; a second signal ends the process at once. A
 * terminal that goes away is a request to stop; without one, SIGHUP asks for a reload.
 */
function stopRequested(clock: Clock): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (reason: string) => {
      if (asked) process.exit(EXIT.interrupted);
      asked = true;
      resolve(reason);
    };
    const hangUp = process.stdout.isTTY ? (['SIGHUP'] as const) : [];
    onSignals(['SIGTERM', 'SIGINT', ...hangUp], clock, stop);
    // pm2 on systems without signals sends this instead.
    process.on('message', (message) => {
      if (message === 'shutdown') stop('shutdown message');
    });
  });
}

/** Requests to read the configuration anew; those that come before anybody listens are one. */
function reloadRequests(): { listen(handler: () => void): void } {
  let asked = false;
  let handler = () => {
    asked = true;
  };
  if (!process.stdout.isTTY) process.on('SIGHUP', () => handler());
  return {
    listen(next) {
      handler = next;
      if (asked) next();
    },
  };
}

async function run(options: CommonOptions): Promise<void> {
  // Prompts, answers and what was learnt of them: nothing that the daemon writes is for others.
  process.umask(0o077);
  const config = loadConfigForCli(options);
  const clock = createSystemClock();
  const stop = stopRequested(clock);
  const reloads = reloadRequests();
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
    await serve({
      config,
      loadAgain: () => loadConfigOf(options),
      clock,
      logger,
      stop,
      reloads,
      tell: (fields) => void notifier?.notify(fields),
    });
  } finally {
    notifier?.close();
    // pm2's channel would keep the process alive.
    if (process.connected) process.disconnect();
  }
}

/** The daemon's life: started, ready, watched, stopped; each told to the service manager. */
async function serve(context: {
  config: LoadedConfig;
  loadAgain: () => LoadedConfig;
  clock: Clock;
  logger: RootLogger;
  stop: Promise<string>;
  reloads: ReturnType<typeof reloadRequests>;
  tell: (fields: Record<string, string | number>) => void;
}): Promise<void> {
  const { config, clock, logger, tell } = context;
  const { createReloader, createWatchdogFeeder, startDaemon, stuckSinceLastAsked, watchdogUsec } =
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
    const status = `serving as ${config.values.node.id}`;
    tell({ READY: 1, STATUS: status });
    process.send?.('ready');
    if (usec !== undefined) {
      feeder = createWatchdogFeeder({
        usec,
        stuck: stuckSinceLastAsked(daemon.work),
        clock,
        notify: tell,
        onHungry: (stuck) => logger.error({ stuck }, 'the watchdog is not fed: nothing moves here'),
      });
    }
    const load = context.loadAgain;
    context.reloads.listen(createReloader({ load, daemon, logger, clock, tell, status }));
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
SIGTERM or Ctrl-C finishes the running prompts and ends; a second one ends at once. SIGHUP reads the
configuration anew: what can change at once does, what needs a restart is logged by its key.

Examples:
  twowatt run --set mqtt.url=mqtt://broker.local:1883
  twowatt run --config ./twowatt.yaml
  TWOWATT_MQTT__EMBEDDED=true twowatt run        with a broker of its own, on this machine only`,
    )
    .action(action(run));
}
