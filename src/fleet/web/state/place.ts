import { signal } from '@preact/signals';
import { type Place, readPlace, writePlace } from '../lib/address.ts';

export const place = signal<Place>(readPlace(location.hash));

addEventListener('hashchange', () => {
  place.value = readPlace(location.hash);
});

export function goTo(view: string, id?: string | null, query?: Record<string, string>): void {
  location.hash = writePlace({ view, id: id ?? null, ...(query === undefined ? {} : { query }) });
}

/** Changes the query without a step in the browser's history: typing must not fill the back button. */
export function setQuery(query: Record<string, string>): void {
  const { view, id } = place.value;
  history.replaceState(null, '', writePlace({ view, id, query }));
  place.value = readPlace(location.hash);
}
