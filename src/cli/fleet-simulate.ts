import { createSystemClock, sleep } from '../core/index.ts';
import { CliError, type CommonOptions, EXIT } from './common.ts';
import { onSignals } from './interrupt.ts';

type Options = CommonOptions & {
  boards: string;
  rate: string;
  faults: string;
  days: string;
  compress: string;
  from: string;
  prefix: string;
  keepalive: string;
  connectRate: string;
  seed: string;
  for?: string;
};

const REPORT_MS = 2000;

function readNumber(options: Options, name: keyof Options, low: number, high: number) {
  const value = Number(options[name]);
  if (Number.isFinite(value) && value >= low && value <= high) return value;
  const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new CliError(EXIT.usage, `--${flag}: expected a number from ${low} to ${high}`);
}

/** Plays boards until Ctrl-C or the end of `--for`; a line every two seconds says how it goes. */
export async function simulate(
  options: Options,
  broker: { url: string; base: string; username?: string; password?: string },
): Promise<void> {
  const clock = createSystemClock();
  const { startSimulation, FAULTS } = await import('../fleet/index.ts');
  const faults = FAULTS.find((kind) => kind === options.faults);
  if (faults === undefined) {
    throw new CliError(EXIT.usage, `--faults: expected one of ${FAULTS.join(', ')}`);
  }
  const { url, base, username, password } = broker;
  const simulation = startSimulation({
    url,
    base,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    boards: readNumber(options, 'boards', 1, 100_000),
    from: readNumber(options, 'from', 0, 10_000_000),
    prefix: options.prefix,
    periodS: readNumber(options, 'rate', 0.02, 86_400),
    keepaliveS: readNumber(options, 'keepalive', 5, 3600),
    connectPerS: readNumber(options, 'connectRate', 1, 100_000),
    faults,
    days: readNumber(options, 'days', 0, 3650),
    compress: readNumber(options, 'compress', 1, 1_000_000),
    seed: readNumber(options, 'seed', 0, 2 ** 31),
    clock,
  });
  const stop = new AbortController();
  const unhook = onSignals(['SIGINT', 'SIGTERM', 'SIGHUP'], clock, () => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    stop.abort();
  });
  const endMs =
    options.for === undefined
      ? Infinity
      : clock.monotonicMs() + readNumber(options, 'for', 0.1, 1e7) * 1000;
  // Timers of the clock do not keep a process alive.
  const alive = setInterval(() => {}, 60_000);
  while (!stop.signal.aborted && clock.monotonicMs() < endMs) {
    await sleep(clock, Math.min(REPORT_MS, endMs - clock.monotonicMs()), stop.signal);
    const { connected, connections, sent, reported, acknowledged, wallMs } = simulation.figures();
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ connected, connections, sent, reported, acknowledged, wall_ms: wallMs })}\n`
        : `${connected} of ${options.boards} connected, ${sent} messages sent, ${acknowledged} acknowledged, their time ${new Date(wallMs).toISOString()}\n`,
    );
  }
  await simulation.stop();
  clearInterval(alive);
  unhook();
}
