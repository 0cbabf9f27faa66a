import type { Facts, Outcomes, ProbeName } from '../facts.ts';
import type { Finding, Group, Status, Verdict } from '../finding.ts';

/** One question about the board, answered from facts alone. */
export type Check = {
  id: string;
  group: Group;
  title: string;
  /** The probe whose facts it needs. */
  needs: ProbeName;
  judge(outcomes: Outcomes): Verdict;
};

/** How a check is written down: `judge` gets the facts it needs, and all others as far as known. */
export function check<Name extends ProbeName>(
  needs: Name,
  about: { id: string; group: Group; title: string },
  judge: (facts: Facts[Name], all: Outcomes) => Verdict,
): Check {
  return {
    ...about,
    needs,
    judge(outcomes) {
      const outcome = outcomes[needs];
      return outcome?.ok === true ? judge(outcome.value, outcomes) : null;
    },
  };
}

/** The facts of a probe; undefined when it was not run or failed. */
export function factsOf<Name extends ProbeName>(
  outcomes: Outcomes,
  name: Name,
): Facts[Name] | undefined {
  const outcome = outcomes[name];
  return outcome?.ok === true ? outcome.value : undefined;
}

export const ok = (detail: string): Verdict => ({ status: 'ok', detail });

type Extra = Pick<Finding, 'advice' | 'run'>;
const verdict =
  (status: Status) =>
  (detail: string, advice?: string, run?: string): Verdict => {
    const extra: Extra = {
      ...(advice === undefined ? {} : { advice }),
      ...(run === undefined ? {} : { run }),
    };
    return { status, detail, ...extra };
  };

export const note = verdict('note');
export const warn = verdict('warn');
export const fail = verdict('fail');
