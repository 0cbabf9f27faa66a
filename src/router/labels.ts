import * as v from 'valibot';

/** A prompt and, where it was judged, how good the board's and the cloud's answer are, 0 to 1. */
export type LabelledPrompt = { prompt: string; label: { weak: number; strong: number } | null };

const EXPECTED = 'expected true, false or a number from 0 to 1';
const quality = v.nullish(
  v.union(
    [v.pipe(v.number(), v.minValue(0, EXPECTED), v.maxValue(1, EXPECTED)), v.boolean()],
    EXPECTED,
  ),
);

const row = v.pipe(
  v.object(
    { prompt: v.string('expected a string'), weak: quality, strong: quality },
    'expected a JSON object with prompt',
  ),
  v.check(
    ({ weak, strong }) => (weak ?? null) === null || (strong ?? null) !== null,
    'weak without strong; give both or neither',
  ),
  v.check(
    ({ weak, strong }) => (strong ?? null) === null || (weak ?? null) !== null,
    'strong without weak; give both or neither',
  ),
);

const MOST_NAMED = 20;

/**
 * Reads JSON lines of `prompt` and, when labelled, `weak` and `strong`. Blank lines are skipped.
 * Throws one RangeError that names every bad line (the first twenty) by its number and its fault.
 */
export function parseLabels(text: string): LabelledPrompt[] {
  const rows: LabelledPrompt[] = [];
  const problems: string[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    if (line.trim() === '') continue;
    const bad = (what: string) => problems.push(`line ${index + 1}: ${what}`);
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      bad('not valid JSON');
      continue;
    }
    const parsed = v.safeParse(row, value, { abortEarly: true });
    if (!parsed.success) {
      const [issue] = parsed.issues;
      const field = v.getDotPath(issue);
      bad(field === null ? issue.message : `${field}: ${issue.message}`);
      continue;
    }
    const { prompt, weak, strong } = parsed.output;
    const labelled = weak !== null && weak !== undefined && strong !== null && strong !== undefined;
    rows.push({
      prompt,
      label: labelled ? { weak: Number(weak), strong: Number(strong) } : null,
    });
  }
  if (problems.length > 0) {
    const more = problems.length - MOST_NAMED;
    throw new RangeError(
      [...problems.slice(0, MOST_NAMED), ...(more > 0 ? [`and ${more} more`] : [])].join('\n'),
    );
  }
  if (rows.length === 0) throw new RangeError('no row in it');
  return rows;
}
