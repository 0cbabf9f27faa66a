import { packageVersion } from '../core/index.ts';
import type { Check } from './checks/check.ts';
import { CHECKS } from './checks/index.ts';
import type { Outcomes, ProbeName } from './facts.ts';
import { type Finding, type Status, STATUSES } from './finding.ts';

/** `twowatt doctor --json`. Fields are only ever added (docs/operating.md). */
export type Report = {
  v: 1;
  version: string;
  node: string | null;
  /** RFC 3339, by the board's own clock. */
  ts: string;
  /** `unreachable`: nothing else is wrong than that the broker does not answer. */
  verdict: 'ok' | 'fail' | 'unreachable';
  counts: Record<Status, number>;
  findings: Finding[];
};

/** What to do when the looking itself came to nothing; the probes not named here never wait for anything. */
const STUCK_ADVICE: Partial<Record<ProbeName, { advice: string; run: string }>> = {
  config: {
    advice: 'A file of the configuration or the state folder hangs: look whether its disk answers.',
    run: 'mount; dmesg | tail -50',
  },
  storage: {
    advice: 'Look whether the disk of the state folder answers.',
    run: 'dmesg | tail -50',
  },
  board: {
    advice: 'A sensor hangs: look at what the kernel says of its bus.',
    run: 'dmesg | tail -50',
  },
  governor: {
    advice: 'A sensor or the state folder hangs: look at what the kernel says.',
    run: 'dmesg | tail -50',
  },
  model: {
    advice: 'The model’s folder hangs: look whether its disk answers and holds plain files.',
    run: 'twowatt config',
  },
  verify: {
    advice: 'Reading the model takes long, or its disk hangs: check it without a deadline.',
    run: 'twowatt model list',
  },
};

/** Probes whose loss leaves the product whole: it is the looking that failed. */
const HARMLESS: ReadonlySet<ProbeName> = new Set(['service', 'system', 'verify', 'log']);

/** The one finding for a probe that was lost, in place of the first check that needed it. */
function lost({ id, group, title, needs }: Check, reason: string): Finding {
  const { advice, run } = STUCK_ADVICE[needs] ?? {};
  return {
    id,
    group,
    title,
    status: HARMLESS.has(needs) ? 'warn' : 'fail',
    detail: reason,
    ...(advice === undefined || run === undefined ? {} : { advice, run }),
    ...(needs === 'broker' ? { unreachable: true as const } : {}),
  };
}

/** Judges the facts. Pure but for the version of the package. */
export function report(outcomes: Outcomes, wallMs: number): Report {
  const told = new Set<ProbeName>();
  const findings = CHECKS.flatMap((check): Finding[] => {
    const { id, group, title, needs } = check;
    const outcome = outcomes[needs];
    if (outcome === undefined) return [];
    if (!outcome.ok) {
      if (told.has(needs)) return [];
      told.add(needs);
      return [lost(check, outcome.reason)];
    }
    const verdict = check.judge(outcomes);
    return verdict === null ? [] : [{ id, group, title, ...verdict }];
  });
  const count = (status: Status) => findings.filter((one) => one.status === status).length;
  return {
    v: 1,
    version: packageVersion(),
    node: outcomes.config?.ok === true ? outcomes.config.value.node : null,
    ts: new Date(wallMs).toISOString(),
    verdict: verdictOf(findings),
    counts: Object.fromEntries(STATUSES.map((one) => [one, count(one)])) as Report['counts'],
    findings,
  };
}

function verdictOf(findings: readonly Finding[]): Report['verdict'] {
  const failed = findings.filter(({ status }) => status === 'fail');
  if (failed.length === 0) return 'ok';
  return failed.every(({ unreachable }) => unreachable === true) ? 'unreachable' : 'fail';
}
