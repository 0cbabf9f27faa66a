const MASK = '********';

/** Shorter ones would take half of every text along, and tell nobody anything. */
const SHORTEST_SECRET = 4;

/** The forms in which a secret can stand in a text: itself, in JSON, in a URL, in basic credentials. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    bytes.toString('base64'),
    bytes.toString('base64url'),
  ];
}

/**
 * Makes a function that masks these secrets in every text of a value, however deep, keys included. The
 * last line of defence: nothing gathered should hold a secret in the first place, but messages of
 * other programs might.
 */
export function createScrubber(secrets: readonly string[]): <Value>(value: Value) => Value {
  const forms = [
    ...new Set(secrets.filter((secret) => secret.length >= SHORTEST_SECRET).flatMap(formsOf)),
  ].sort((a, b) => b.length - a.length);

  const text = (value: string): string => {
    let clean = value;
    for (const form of forms) clean = clean.replaceAll(form, MASK);
    return clean;
  };
  const scrub = (value: unknown): unknown => {
    if (typeof value === 'string') return text(value);
    if (Array.isArray(value)) return value.map(scrub);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [text(key), scrub(one)]));
  };
  return <Value>(value: Value) => scrub(value) as Value;
}
