import type { Clock, Logger } from '../core/index.ts';
import type { ModelFacts } from '../protocol/index.ts';
import type { Backoff } from './backoff.ts';

export type EngineSupervisorOptions = {
  /** A converted model folder (`twowatt.json` in it). */
  modelFolder: string;
  /** Compute threads of the engine process. More than the free cores makes every step far slower. */
  threads: number;
  /** Longest prompt plus answer, tokens; bounded by the model's own. Absent: the model's own. */
  contextTokens?: number;
  /** What is known of the model before it is loaded; reported until the engine says it itself. */
  facts?: ModelFacts;
  logger: Logger;
  clock: Clock;
  /** A step without a sign of life gets its process killed after this long at the latest. Default 120 s. */
  stepTimeoutMs?: number;
  /** The same for loading the model. Default 300 s: SD cards read 20 MB/s. */
  loadTimeoutMs?: number;
  /** Bytes of the model's files. With them both times are as short as the model allows (step-limit.ts). */
  modelBytes?: number;
  /** Time that `close` leaves the process to end by itself. Default 5 s. */
  closeTimeoutMs?: number;
  /** Waits between restarts. Default 0.25 s to 30 s. */
  backoff?: Backoff;
  /** Node options of the engine process. Default: small, see DEFAULTS. */
  execArgv?: string[];
  /** Jitter of the backoff, [0, 1). */
  random?: () => number;
};

export const DEFAULTS = {
  stepTimeoutMs: 120_000,
  loadTimeoutMs: 300_000,
  closeTimeoutMs: 5_000,
  backoff: { shortestMs: 250, longestMs: 30_000 } satisfies Backoff,
  // A small young generation: 7 MB less resident and no slower.
  execArgv: ['--max-semi-space-size=1'],
};
