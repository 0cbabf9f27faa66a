/** `note`: worth knowing, nothing to do. `warn`: works, but not as well as it should. `fail`: does not work. */
export const STATUSES = ['ok', 'note', 'warn', 'fail'] as const;
export type Status = (typeof STATUSES)[number];

/** In the order in which they are shown. */
export const GROUPS = ['board', 'governor', 'model', 'storage', 'broker', 'system'] as const;
export type Group = (typeof GROUPS)[number];

/** One thing that was looked at. The shape is public (docs/operating.md). */
export type Finding = {
  /** Stable, `group.what`. */
  id: string;
  group: Group;
  status: Status;
  title: string;
  /** What was found. */
  detail: string;
  /** What to do, one sentence. */
  advice?: string;
  /** The command to type or the line for the configuration file that the advice speaks of. */
  run?: string;
  /** True when something that should answer does not: alone it makes exit code 3. */
  unreachable?: true;
};

/** What a check says of the facts; null when it does not apply. */
export type Verdict = Omit<Finding, 'id' | 'group' | 'title'> | null;
