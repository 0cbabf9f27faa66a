import { signal } from '@preact/signals';

const query = matchMedia('(max-width: 700px)');
const narrow = signal(query.matches);
query.addEventListener('change', () => {
  narrow.value = query.matches;
});

/** True on a telephone. */
export const useNarrow = (): boolean => narrow.value;
