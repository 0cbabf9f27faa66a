/**
 * Where the reader is, as the part of the address after `#`: it survives a reload, can be sent to a
 * colleague, and never reaches the server.
 */
export type Place = { view: string; id: string | null; query: Record<string, string> };

export function readPlace(hash: string): Place {
  const [path = '', search = ''] = hash.replace(/^#?\/?/, '').split('?', 2);
  const [view = '', id] = path.split('/', 2);
  return {
    view: view === '' ? 'overview' : view,
    id: id === undefined || id === '' ? null : decoded(id),
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

export function writePlace(place: {
  view: string;
  id?: string | null;
  query?: Record<string, string>;
}): string {
  const { view, id, query = {} } = place;
  const path = id === undefined || id === null ? view : `${view}/${encodeURIComponent(id)}`;
  const set = Object.entries(query).filter(([, value]) => value !== '');
  const search = new URLSearchParams(set).toString();
  return `#/${path}${search === '' ? '' : `?${search}`}`;
}

/** A link that somebody has cut off may end in the middle of an escape. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
