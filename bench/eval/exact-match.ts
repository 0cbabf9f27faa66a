/** Whether an answer is the expected one: JSON is compared as JSON, other text after folding white space. */
export function isExactMatch(answer: string, expected: string): boolean {
  return normalise(answer) === normalise(expected);
}

/** One spelling for all equal JSON values. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, canonical(inner)]));
}

function normalise(answer: string): string {
  try {
    return JSON.stringify(canonical(JSON.parse(answer)));
  } catch {
    return answer.replace(/\s+/g, ' ').trim();
  }
}
