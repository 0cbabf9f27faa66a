import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock, TimerHandle } from './clock.ts';

/** After work, so long nothing may happen before it counts as quiet. */
const QUIET_MS = 1000;
/** Less garbage than this is not worth a collection (20 to 40 ms for 20 MB on x64). */
const LEAST_GROWTH_BYTES = 2 * 1024 * 1024;

export type QuietCollector = {
  /** Something was done that may have left garbage behind. */
  worked(): void;
};

/**
 * Collects all garbage in a quiet moment after work. By itself V8 lets a small heap grow by several megabytes
 * before it looks at old objects, and a process that is never idle for long keeps them for hours, which on a
 * board of 512 MB is memory that the model could use.
 */
export function createQuietCollector(options: {
  clock: Clock;
  isQuiet: () => boolean;
  usedBytes?: () => number;
  collect?: () => void;
}): QuietCollector {
  const { clock, isQuiet } = options;
  const usedBytes = options.usedBytes ?? (() => getHeapStatistics().used_heap_size);
  const collect = options.collect ?? fullCollection();
  let timer: TimerHandle | undefined;
  let leastBytes = 0;
  return {
    worked() {
      timer?.cancel();
      timer = clock.setTimer(QUIET_MS, () => {
        timer = undefined;
        if (!isQuiet() || usedBytes() < leastBytes + LEAST_GROWTH_BYTES) return;
        collect();
        leastBytes = usedBytes();
      });
    },
  };
}

/** V8's own collection of everything, which it shows only under a flag. */
function fullCollection(): () => void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as (how: { type: 'major'; flavor: 'last-resort' }) => void;
  setFlagsFromString('--no-expose-gc');
  return () => gc({ type: 'major', flavor: 'last-resort' });
}
