/** Levels that a message may nest; a JSON schema of a constrained answer is the deepest honest one. */
export const MOST_JSON_LEVELS = 128;

const MANY_OPENINGS = new RegExp(`^(?:[^[{]*[[{]){${MOST_JSON_LEVELS + 1}}`);
/** Strings are skipped whole: brackets in them are text. An unclosed one reaches to the end, once. */
const BRACKETS = /"[^"\\]*(?:\\.?[^"\\]*)*(?:"|$)|[[\]{}]/gs;

/**
 * JSON.parse for bytes that a stranger sent. V8 parses flat text in microseconds but takes 10 ms and
 * megabytes of old heap for 60 kB of nothing but brackets, which the daemon's small heap turns into
 * hundreds of resident megabytes; so depth is bounded before.
 *
 * @throws SyntaxError for text that is not JSON, RangeError for text that nests too deeply.
 */
export function parseJson(text: string): unknown {
  // Almost every message has few brackets, and is done with here.
  if (MANY_OPENINGS.test(text)) {
    let level = 0;
    for (const [token] of text.matchAll(BRACKETS)) {
      if (token === '[' || token === '{') level += 1;
      else if (token === ']' || token === '}') level -= 1;
      if (level > MOST_JSON_LEVELS) {
        throw new RangeError(`nested deeper than ${MOST_JSON_LEVELS} levels`);
      }
    }
  }
  return JSON.parse(text) as unknown;
}
