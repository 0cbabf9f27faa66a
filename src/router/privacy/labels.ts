import { type Privacy, strictestPrivacy, toPrivacy } from '../../protocol/index.ts';
import type { Verdict } from './gate.ts';
import { Placeholders } from './placeholders.ts';

/** Who said so. Of several that say the same, the first in this order. */
export type LabelSource = 'message' | 'session' | 'topic' | 'config';

export type Label = { label: Privacy; source: LabelSource };

/** Labels as they were written; an unknown one counts as `local`, a missing one as nothing said. */
export type LabelInputs = {
  message: string | undefined;
  session: SessionPrivacy;
  /** Of every `router.privacy_topics` entry whose filter fits. */
  topics: readonly string[];
  /** `router.privacy_default`. */
  config: string;
};

/** The strictest label wins (contract, field `privacy`), and who brought it is kept for the audit. */
export function strictest({ message, session, topics, config }: LabelInputs): Label {
  const said: Label[] = [
    ...(message === undefined ? [] : [{ label: toPrivacy(message), source: 'message' as const }]),
    ...(session.local ? [{ label: 'local' as const, source: 'session' as const }] : []),
    ...topics.map((label) => ({ label: toPrivacy(label), source: 'topic' as const })),
    { label: toPrivacy(config), source: 'config' },
  ];
  const label = strictestPrivacy(...said.map((one) => one.label));
  return said.find((one) => one.label === label) ?? { label: 'local', source: 'config' };
}

/** What a session's privacy remembers between its turns. */
export type SessionPrivacy = {
  /** A turn had to stay on the board: later turns carry it as history, so they stay as well. */
  readonly local: boolean;
  readonly placeholders: Placeholders;
};

export const freshSession: SessionPrivacy = { local: false, placeholders: Placeholders.none };

/**
 * The session after a turn. A turn that may not leave makes the session local for good, whether or
 * not a detector found something in it: names and addresses are private as well, and none is found.
 */
export function nextSession(session: SessionPrivacy, verdict: Verdict): SessionPrivacy {
  if (!verdict.mayLeave) return { ...session, local: true };
  return { local: session.local, placeholders: verdict.placeholders };
}
