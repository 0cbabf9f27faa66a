/** A quantity over time: one value each `stepS` from 0 on; null where it is not known. */
export type Course = { stepS: number; values: readonly (number | null)[] };

export type CoursePoint = { atS: number; value: number };

/** The mean of the known values among the last `seconds`; null until that time has passed. */
export function runningMean({ stepS, values }: Course, seconds: number): Course {
  const span = Math.max(1, Math.round(seconds / stepS));
  let sum = 0;
  let known = 0;
  const means = values.map((value, index) => {
    if (value !== null) {
      sum += value;
      known += 1;
    }
    const gone = index >= span ? (values[index - span] ?? null) : null;
    if (gone !== null) {
      sum -= gone;
      known -= 1;
    }
    return index < span || known === 0 || value === null ? null : sum / known;
  });
  return { stepS, values: means };
}

/**
 * A course as lines of at most about `most` points in all, with its gaps. Of each stretch of time the
 * lowest and the highest value stay, in their order, so that no peak is lost in drawing. Gaps shorter
 * than a stretch, in its middle, are bridged.
 */
export function linesOf({ stepS, values }: Course, most: number): CoursePoint[][] {
  const lines: CoursePoint[][] = [];
  let line: CoursePoint[] = [];
  const endLine = () => {
    if (line.length > 0) lines.push(line);
    line = [];
  };
  const per = Math.max(1, Math.ceil((2 * values.length) / most));
  for (let from = 0; from < values.length; from += per) {
    let low: CoursePoint | undefined;
    let high: CoursePoint | undefined;
    let endsHere = false;
    for (let index = from; index < Math.min(values.length, from + per); index += 1) {
      const value = values[index] ?? null;
      endsHere = value === null;
      if (value === null) {
        // A stretch that begins unknown must not be tied to what was before it.
        if (low === undefined) endLine();
        continue;
      }
      const point = { atS: index * stepS, value };
      if (low === undefined || value < low.value) low = point;
      if (high === undefined || value >= high.value) high = point;
    }
    if (low !== undefined && high !== undefined) {
      line.push(...(low === high ? [low] : low.atS < high.atS ? [low, high] : [high, low]));
    }
    if (endsHere) endLine();
  }
  endLine();
  return lines.map(withoutFlats);
}

/** Points in the middle of a level stretch say nothing. */
const withoutFlats = (line: readonly CoursePoint[]): CoursePoint[] =>
  line.filter(
    ({ value }, index) =>
      index === 0 ||
      index === line.length - 1 ||
      value !== line[index - 1]?.value ||
      value !== line[index + 1]?.value,
  );
