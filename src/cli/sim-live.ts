import { existsSync, readdirSync } from 'node:fs';
import { type Clock, isErrno } from '../core/index.ts';
import { profileNamed, startSimulatedBoard } from '../hardware/sim/index.ts';
import { CliError, EXIT } from './common.ts';
import { onSignals } from './interrupt.ts';

export type LiveOptions = {
  /** Becomes the board's /sys. */
  folder: string;
  /** Name of a device profile. */
  board: string;
  /** The daemon: its process tree's CPU time is the load. */
  pid: number;
  /** CSV of the board's true power and temperature. */
  log?: string;
  seed?: number;
  ambient?: number;
  /** Ends by itself after so long. */
  seconds?: number;
  json?: boolean;
};

/** Longer than any timer needs to be; only keeps the process alive. */
const KEEP_ALIVE_MS = 60_000;

function checkFolder(folder: string): void {
  if (!existsSync(folder)) return;
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    throw new CliError(EXIT.usage, `--live: ${folder} is not a folder that can be read`);
  }
  if (names.length > 0 && !names.includes('.staging')) {
    throw new CliError(
      EXIT.usage,
      `--live: ${folder} holds other things; expected a folder that is new, empty or a simulated board's`,
    );
  }
}

function checkProcess(pid: number): void {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    if (isErrno(error, 'EPERM')) return;
    throw new CliError(EXIT.unreachable, `--pid: there is no process ${pid}`);
  }
}

/**
 * Keeps a simulated board as a folder until it is told to end, `seconds` have passed, or the process
 * that it takes its load from has ended.
 */
export async function simulateLive(options: LiveOptions, clock: Clock): Promise<void> {
  const { folder, pid, board: name, seconds } = options;
  const profile = profileNamed(name);
  checkFolder(folder);
  checkProcess(pid);
  const { promise: ended, resolve: end } = Promise.withResolvers<string>();
  const board = startSimulatedBoard({
    folder,
    profile,
    pid,
    clock,
    onDaemonGone: () => end(`process ${pid} has ended`),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(options.ambient === undefined ? {} : { ambientC: options.ambient }),
    ...(options.log === undefined ? {} : { logFile: options.log }),
  });
  const stopListening = onSignals(['SIGINT', 'SIGTERM'], clock, end);
  const timer =
    seconds === undefined ? undefined : clock.setTimer(seconds * 1000, () => end('time is up'));
  // The clock's timers do not keep the process alive; this one does.
  const alive = setInterval(() => undefined, KEEP_ALIVE_MS);
  const say = (text: string, fields: object) =>
    process.stdout.write(`${options.json === true ? JSON.stringify(fields) : text}\n`);
  say(`${folder} is a simulated ${profile.title}; its load comes from process ${pid}`, {
    state: 'running',
    folder,
    board: profile.name,
    pid,
  });
  const reason = await ended;
  timer?.cancel();
  clearInterval(alive);
  stopListening();
  board.stop();
  const { plant } = board;
  const energy = plant.energyJ() - (plant.truth.idleW * plant.nowMs()) / 1000;
  say(
    `${reason}: ${(plant.nowMs() / 1000).toFixed(1)} s, ${energy.toFixed(2)} J above idle, ` +
      `${plant.throttleEvents()} throttle events`,
    {
      state: 'ended',
      reason,
      duration_s: plant.nowMs() / 1000,
      joules_above_idle: energy,
      soc_c: plant.socC(),
      throttle_events: plant.throttleEvents(),
    },
  );
}
