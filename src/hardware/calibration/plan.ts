import { TwowattError } from '../../core/index.ts';

/** Threads and clock of a point; null leaves the clock as it was found. */
export type ChosenPoint = { threads: number; freqKhz: number | null };

/** Without a wish: so many clock steps, spread over the range. */
const MOST_CLOCKS = 4;
/** Without a wish: every count of threads up to four, then every second one. */
const DENSE_THREADS = 4;

function usualThreads(cores: number): number[] {
  return Array.from({ length: cores }, (_, index) => index + 1).filter(
    (threads) => threads <= DENSE_THREADS || threads % 2 === 0 || threads === cores,
  );
}

/** Lowest, highest and steps between them at about even distances. */
function usualClocks(steps: readonly number[]): number[] {
  const picked = Array.from({ length: MOST_CLOCKS }, (_, index) =>
    Math.round((index * (steps.length - 1)) / (MOST_CLOCKS - 1)),
  );
  return [...new Set(picked)].flatMap((index) => steps[index] ?? []);
}

/**
 * The points to measure, threads first, since changing these opens the model anew. Clocks rise, so that
 * the hot points come last. Throws `invalid_request` for what the board does not have.
 */
export function choosePoints(options: {
  /** Cores that the engine can really use. */
  cores: number;
  /** Rising clock steps, kHz; empty where the clock cannot be bounded. */
  clockSteps: readonly number[];
  threads?: readonly number[] | undefined;
  clocks?: readonly number[] | undefined;
}): ChosenPoint[] {
  const { cores, clockSteps } = options;
  const threads = options.threads ?? usualThreads(cores);
  const tooMany = threads.find((count) => count > cores);
  if (tooMany !== undefined) {
    throw new TwowattError('invalid_request', `threads: ${tooMany} are more than ${cores} cores`, {
      param: 'threads',
    });
  }
  const clocks = options.clocks ?? usualClocks(clockSteps);
  const unknown = clocks.find((khz) => !clockSteps.includes(khz));
  if (unknown !== undefined) {
    const known = clockSteps.length === 0 ? 'none can be set here' : clockSteps.join(', ');
    throw new TwowattError('invalid_request', `clocks: no step of ${unknown} kHz; ${known}`, {
      param: 'clocks',
    });
  }
  const rising = [...new Set(clocks)].sort((a, b) => a - b);
  const bounds: (number | null)[] = rising.length === 0 ? [null] : rising;
  return [...new Set(threads)]
    .sort((a, b) => a - b)
    .flatMap((count) => bounds.map((freqKhz) => ({ threads: count, freqKhz })));
}

export const pointName = ({ threads, freqKhz }: ChosenPoint): string => {
  const cores = threads === 1 ? '1 thread' : `${threads} threads`;
  return freqKhz === null ? cores : `${cores} at ${freqKhz / 1000} MHz`;
};
