import type { Span } from './kinds.ts';

type Node = { next: Map<string, Node>; value?: string };

/** Where one of the values stands, or the longest beginning of a very long one. */
type Occurrence = Span & { value: string };

/** Values are told apart by this much of their beginning, which bounds the work per character. */
const DEEPEST = 64;

/**
 * Finds values in a text: from left to right, the longest at each place, never overlapping. At most
 * `DEEPEST` steps per character, however many values there are.
 */
export function createFinder(values: Iterable<string>): (text: string) => Occurrence[] {
  const root: Node = { next: new Map() };
  for (const value of values) {
    let node = root;
    for (const unit of value.slice(0, DEEPEST).split('')) {
      let next = node.next.get(unit);
      if (next === undefined) {
        next = { next: new Map() };
        node.next.set(unit, next);
      }
      node = next;
    }
    if (value.length > (node.value?.length ?? 0)) node.value = value;
  }
  return (text) => {
    const found: Occurrence[] = [];
    for (let start = 0; start < text.length;) {
      const value = longestAt(root, text, start);
      const end = value === undefined ? start + 1 : start + commonLength(text, start, value);
      if (value !== undefined) found.push({ start, end, value });
      start = end;
    }
    return found;
  };
}

function longestAt(root: Node, text: string, start: number): string | undefined {
  let longest: string | undefined;
  let node: Node | undefined = root;
  for (let at = start; node !== undefined; at++) {
    longest = node.value ?? longest;
    node = at < text.length ? node.next.get(text[at] as string) : undefined;
  }
  return longest;
}

function commonLength(text: string, start: number, value: string): number {
  let length = 0;
  while (length < value.length && text[start + length] === value[length]) length += 1;
  return length;
}
