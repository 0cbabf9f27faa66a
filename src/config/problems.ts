import { TwowattError } from '../core/index.ts';
import { settings } from './schema.ts';

type OriginSource = 'default' | 'profile' | 'file' | 'remote' | 'environment' | 'flag';

/** Where a value came from; `detail` names the file, variable or profile. */
export type Origin = { source: OriginSource; detail: string | null };

export type ConfigProblem = {
  key: string;
  /** What is wrong and what was expected. */
  message: string;
  origin: Origin;
  /** The known key that was probably meant. */
  suggestion?: string;
};

export function originText(origin: Origin): string {
  const names: Record<OriginSource, string> = {
    default: 'default',
    profile: 'device profile',
    file: 'file',
    remote: 'set over MQTT',
    environment: 'environment',
    flag: 'flag',
  };
  return origin.detail === null ? names[origin.source] : `${names[origin.source]} ${origin.detail}`;
}

export function problemText(problem: ConfigProblem): string {
  const hint = problem.suggestion === undefined ? '' : `; did you mean ${problem.suggestion}?`;
  return `${problem.key}: ${problem.message}${hint} (${originText(problem.origin)})`;
}

/** Every bad key at once: a board is far away, and each attempt costs a round trip. */
export class ConfigError extends TwowattError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const [first] = problems;
    super(
      'invalid_request',
      `invalid configuration\n${problems.map((problem) => `  ${problemText(problem)}`).join('\n')}`,
      first === undefined ? {} : { param: first.key },
    );
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Levenshtein distance: insertions, deletions and replacements of one character. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replace = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}

/** Twice the longest key there is. Strangers name keys over MQTT, and the distance costs their length each. */
const LONGEST_NAME = 80;

/** The known key nearest to `key`, unless all are far. A right last level in a wrong section counts as near. */
export function nearestKey(key: string): string | undefined {
  if (key.length > LONGEST_NAME) return undefined;
  const wanted = key.toLowerCase();
  const lastLevel = wanted.split('.').at(-1) ?? wanted;
  let best: { key: string; distance: number } | undefined;
  for (const known of settings.keys()) {
    const whole = editDistance(wanted, known);
    const inWrongPlace = known.endsWith(`.${lastLevel}`) ? 2 : Infinity;
    const tooDeep = wanted.startsWith(`${known}.`) ? 1 : Infinity;
    const distance = Math.min(whole, inWrongPlace, tooDeep);
    if (best === undefined || distance < best.distance) best = { key: known, distance };
  }
  return best !== undefined && best.distance <= Math.max(2, Math.floor(wanted.length / 4))
    ? best.key
    : undefined;
}
