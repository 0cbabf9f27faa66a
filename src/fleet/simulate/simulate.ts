import { type Clock, packageVersion } from '../../core/index.ts';
import { createSimulatedBoard, type SimulatedBoard } from './board.ts';
import { createDice } from './plant.ts';

export const FAULTS = ['none', 'some', 'storm'] as const;

export type SimulationOptions = {
  url: string;
  username?: string;
  password?: string;
  base: string;
  boards: number;
  /** Number of the first board, so that several processes share a fleet. */
  from: number;
  prefix: string;
  /** Seconds between a board's reports. */
  periodS: number;
  keepaliveS: number;
  /** Connections that are opened per second. */
  connectPerS: number;
  /**
   * `some`: each minute one board in a thousand loses its power for half a minute, and one in two thousand its
   * fan; `storm`: every five minutes a fifth of them lose their connection at once.
   */
  faults: (typeof FAULTS)[number];
  /** The boards' clocks begin so many days ago and run `compress` times as fast until they have caught up. */
  days: number;
  compress: number;
  seed: number;
  clock: Clock;
};

export type Simulation = {
  figures(): {
    connected: number;
    connections: number;
    sent: number;
    /** Of these, telemetry. */
    reported: number;
    acknowledged: number;
    /** Time as the boards believe. */
    wallMs: number;
  };
  boards: readonly SimulatedBoard[];
  stop(): Promise<void>;
};

const DAY_MS = 86_400_000;
const TICK_MS = 100;
const MINUTE_MS = 60_000;
const OUTAGE_MS = 30_000;
const STORM_EVERY_MIN = 5;
const CLOSE_MS = 2000;

/** Plays boards on a broker. Each reports at its own moment of the period, so that load is even. */
export function startSimulation(options: SimulationOptions): Simulation {
  const { clock } = options;
  const dice = createDice(options.seed);
  const version = packageVersion();
  const figures = { connections: 0, sent: 0, reported: 0, acknowledged: 0 };
  const beganMs = clock.monotonicMs();
  const beganWallMs = clock.wallMs() - options.days * DAY_MS;
  const wallMs = (): number => {
    const passed = clock.monotonicMs() - beganMs;
    return Math.min(beganWallMs + passed * options.compress, clock.wallMs());
  };

  const boards = Array.from({ length: options.boards }, (_, index) => {
    const number = options.from + index;
    return createSimulatedBoard({
      url: options.url,
      ...(options.username === undefined ? {} : { username: options.username }),
      ...(options.password === undefined ? {} : { password: options.password }),
      base: options.base,
      node: `${options.prefix}-${String(number).padStart(5, '0')}`,
      seed: options.seed + number,
      keepaliveS: options.keepaliveS,
      version,
      clock,
      wallMs,
      onSent: () => (figures.sent += 1),
      onReported: () => (figures.reported += 1),
      onAcknowledged: () => (figures.acknowledged += 1),
      onConnected: () => (figures.connections += 1),
    });
  });

  const periodMs = options.periodS * 1000;
  const dueMs = boards.map((_, index) => beganMs + (periodMs * index) / boards.length);
  const awayUntilMs = boards.map(() => 0);
  let mayConnect = 0;
  let nextFaultMs = beganMs + MINUTE_MS;
  let minutes = 0;

  const strike = (now: number): void => {
    minutes += 1;
    for (const [index, board] of boards.entries()) {
      if (options.faults === 'some') {
        if (dice() < 0.001) {
          board.cut();
          awayUntilMs[index] = now + OUTAGE_MS;
        }
        if (dice() < 0.0005) board.plant.fanStopped = !board.plant.fanStopped;
      } else if (minutes % STORM_EVERY_MIN === 0 && dice() < 0.2) board.cut();
    }
  };

  let stopped = false;
  const tick = clock.setRepeating(TICK_MS, () => {
    const now = clock.monotonicMs();
    if (options.faults !== 'none' && now >= nextFaultMs) {
      nextFaultMs += MINUTE_MS;
      strike(now);
    }
    mayConnect = Math.min(options.connectPerS, mayConnect + (options.connectPerS * TICK_MS) / 1000);
    for (const [index, board] of boards.entries()) {
      if (!board.connected()) {
        if (mayConnect >= 1 && now >= (awayUntilMs[index] ?? 0)) {
          mayConnect -= 1;
          // Long enough for the broker to answer; a connection that failed is tried again then.
          awayUntilMs[index] = now + 5000;
          board.connect();
        }
        continue;
      }
      if (now >= (dueMs[index] ?? 0)) {
        dueMs[index] = Math.max((dueMs[index] ?? 0) + periodMs, now - periodMs);
        board.report();
      } else board.tick();
    }
  });

  return {
    boards,
    figures: () => ({
      ...figures,
      connected: boards.filter((board) => board.connected()).length,
      wallMs: wallMs(),
    }),
    async stop() {
      if (stopped) return;
      stopped = true;
      tick.cancel();
      for (const board of boards) board.stop();
      const deadline = clock.monotonicMs() + CLOSE_MS;
      while (boards.some((board) => board.connected()) && clock.monotonicMs() < deadline) {
        await new Promise<void>((resolve) => {
          setTimeout(resolve, 20);
        });
      }
      for (const board of boards) board.cut();
    },
  };
}
