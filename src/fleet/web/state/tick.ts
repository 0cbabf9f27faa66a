import { signal } from '@preact/signals';

/** Counts seconds, for ages and for charts that move. Hidden pages stand still. */
export const tick = signal(0);

setInterval(() => {
  if (!document.hidden) tick.value += 1;
}, 1000);
