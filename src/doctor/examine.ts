import type { Clock } from '../core/index.ts';
import type { Outcome, Outcomes, ProbeName } from './facts.ts';

/** What each probe may take, milliseconds, on the slowest board; a start of the process comes on top. */
export const DEADLINES_MS: Record<ProbeName, number> = {
  config: 5_000,
  system: 5_000,
  storage: 5_000,
  board: 8_000,
  model: 15_000,
  governor: 20_000,
  // Two versions of MQTT at five seconds each, and the time to listen.
  broker: 15_000,
  service: 8_000,
  log: 10_000,
  // 370 MB at the 20 MB/s of an SD card are 19 s.
  verify: 60_000,
  // Loading those weights, and a short answer at one token a second.
  deep: 180_000,
};

/** Probes that would run into the same wall once more. */
const NEEDS: Partial<Record<ProbeName, ProbeName>> = {
  governor: 'model',
  verify: 'model',
  deep: 'model',
};

/** Node on a Zero 2 W takes seconds to load its modules, and longer while a model is being loaded. */
export const START_MS = 30_000;

export interface ProbeProcess {
  /** Ends it, whatever it does; nothing is heard of it any more. */
  kill(): void;
}

/** Starts a process that runs these probes in order and tells of each. */
export type StartProbes = (
  names: readonly ProbeName[],
  events: {
    onOutcome: (name: ProbeName, outcome: Outcome<unknown>) => void;
    /** It ended by itself; `how` in words. */
    onEnd: (how: string) => void;
  },
) => ProbeProcess;

/**
 * Runs probes in a process that may be lost. A read of a hung network disk, of a FIFO or of a wedged
 * I2C bus holds up its whole process and cannot be taken back, not even by exiting: Node waits for its
 * threads. So each probe has a deadline kept from outside; one that misses it is lost together with
 * its process, and a new process goes on with the next.
 *
 * Without a configuration the others would look in the wrong places: then they are not run. Nor is one
 * that needs what another was lost with.
 */
export async function examine(options: {
  names: readonly ProbeName[];
  start: StartProbes;
  clock: Clock;
  onProbe?: (name: ProbeName, done: number, total: number) => void;
}): Promise<Outcomes> {
  const { names, start, clock } = options;
  const outcomes: Record<string, Outcome<unknown>> = {};
  let left = [...names];

  /** One process; resolves with the probes that still have to be run. */
  const run = (todo: readonly ProbeName[]): Promise<ProbeName[]> =>
    new Promise((resolve) => {
      let at = 0;
      let over = false;
      const finish = (rest: readonly ProbeName[]) => {
        if (over) return;
        over = true;
        patience.cancel();
        child.kill();
        resolve([...rest]);
      };
      const lose = (reason: string) => {
        const name = todo[at];
        if (over || name === undefined) return;
        outcomes[name] = { ok: false, reason };
        finish(todo.slice(at + 1));
      };
      const wait = (extraMs: number) => {
        const name = todo[at];
        if (name === undefined) return { cancel() {} };
        options.onProbe?.(name, names.indexOf(name), names.length);
        const deadlineMs = DEADLINES_MS[name];
        return clock.setTimer(deadlineMs + extraMs, () =>
          lose(`no answer within ${deadlineMs / 1000} s: it hangs`),
        );
      };
      let patience = wait(START_MS);
      const child = start(todo, {
        onOutcome(name, outcome) {
          if (over || name !== todo[at]) return;
          outcomes[name] = outcome;
          patience.cancel();
          at += 1;
          const blind = name === 'config' && !outcome.ok;
          if (blind || at === todo.length) return finish(todo.slice(at));
          patience = wait(0);
        },
        onEnd: (how) => lose(`looking at it ended with ${how}`),
      });
    });

  while (left.length > 0) {
    left = await run(left);
    if (outcomes['config']?.ok === false) break;
    left = left.filter((name) => {
      const needed = NEEDS[name];
      if (needed === undefined || outcomes[needed]?.ok !== false) return true;
      outcomes[name] = { ok: false, reason: `not looked at: it needs the ${needed}` };
      return false;
    });
  }
  return outcomes;
}
