import type { Clock } from '../core/index.ts';

/**
 * One press of Ctrl-C may arrive more than once: the terminal signals the whole process group, and
 * npm, or bin/twowatt.js on an old Node, hands its own copy on.
 */
const SAME_PRESS_MS = 300;

/** Calls `handler` once per press or request; returns the way to stop that. */
export function onSignals(
  signals: readonly NodeJS.Signals[],
  clock: Clock,
  handler: (signal: NodeJS.Signals) => void,
): () => void {
  let lastMs = -Infinity;
  const listener = (signal: NodeJS.Signals) => {
    const now = clock.monotonicMs();
    if (now - lastMs < SAME_PRESS_MS) return;
    lastMs = now;
    handler(signal);
  };
  for (const signal of signals) process.on(signal, listener);
  return () => {
    for (const signal of signals) process.off(signal, listener);
  };
}
