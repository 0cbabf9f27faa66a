/** Levels that a message may nest; a JSON schema of a constrained answer is the deepest honest one. */
export const MOST_JSON_LEVELS = 128;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * JSON.parse for text that a stranger sent. V8 parses flat text in microseconds but takes 10 ms and
 * megabytes of old heap for 60 kB of nothing but brackets, which the daemon's small heap turns into
 * hundreds of resident megabytes; so depth is bounded before.
 *
 * @throws SyntaxError for text that is not JSON, RangeError for text that nests too deeply.
 */
export function parseJson(text: string): unknown {
  // Almost every message has few brackets, and is done with here.
  if (hasMany(text, '[') || hasMany(text, '{')) refuseDeep(text);
  return JSON.parse(text) as unknown;
}

/** More than half of what may nest: with two kinds of brackets, one of them has as many. */
function hasMany(text: string, bracket: string): boolean {
  let count = 0;
  for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
    count += 1;
    if (count > MOST_JSON_LEVELS / 2) return true;
  }
  return false;
}

/** By hand: a regular expression for it costs two megabytes of resident compiler. */
function refuseDeep(text: string): void {
  let level = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) quoted = !quoted;
    else if (code === BACKSLASH) at += 1;
    else if (!quoted && (code === 0x5b || code === 0x7b)) level += 1;
    else if (!quoted && (code === 0x5d || code === 0x7d)) level -= 1;
    if (level > MOST_JSON_LEVELS) {
      throw new RangeError(`nested deeper than ${MOST_JSON_LEVELS} levels`);
    }
  }
}
