import { type Clock, TwowattError } from '../core/index.ts';
import type { Engine } from './ports.ts';

/** An engine that stays away this long takes its waiting prompts' hope: they end `model_unavailable`. */
const PATIENCE_MS = 60_000;
/**
 * So long a prompt rather waits for the engine than costs money in the cloud: a start takes two seconds,
 * a restart less than one.
 */
const SHORT_ABSENCE_MS = 10_000;

/** Tells a short absence of the engine, which prompts wait out, from one that they cannot. */
export type Availability = {
  /** The engine has been unavailable (not just restarting) for longer than prompts wait. */
  givenUp(): boolean;
  /** The engine runs, or has been away for so short a time that waiting for it is best. */
  nearby(): boolean;
  error(): TwowattError;
  close(): void;
};

/** Calls `onChange` whenever the engine's status or our patience changed. */
export function watchAvailability(options: {
  engine: Engine;
  clock: Clock;
  onChange: () => void;
}): Availability {
  const { engine, clock, onChange } = options;
  let since: number | null = null;
  let awaySince: number | null = null;
  const note = () => {
    const { state } = engine.status();
    if (state === 'ready' || state === 'busy') awaySince = null;
    else awaySince ??= clock.monotonicMs();
    if (engine.status().state !== 'unavailable') {
      since = null;
    } else if (since === null) {
      since = clock.monotonicMs();
      clock.setTimer(PATIENCE_MS, onChange);
    }
  };
  const stop = engine.onStatus(() => {
    note();
    onChange();
  });
  note();
  return {
    givenUp: () => since !== null && clock.monotonicMs() - since >= PATIENCE_MS,
    nearby: () => awaySince === null || clock.monotonicMs() - awaySince < SHORT_ABSENCE_MS,
    error() {
      const { problem } = engine.status();
      return new TwowattError(
        'model_unavailable',
        problem?.message ?? 'the model cannot be run at the moment',
        { retryAfterMs: PATIENCE_MS },
      );
    },
    close: stop,
  };
}
