/** Labels of prompts, the laxest first: may leave as it is, leaves masked, never leaves. */
export const PRIVACY_LEVELS = ['any', 'redact', 'local'] as const;
export type Privacy = (typeof PRIVACY_LEVELS)[number];

/** Greater is stricter. */
export function privacyStrictness(level: Privacy): number {
  return PRIVACY_LEVELS.indexOf(level);
}

/** Unknown labels count as the strictest: a typing error must not send a prompt off the board. */
export function toPrivacy(label: string): Privacy {
  return label === 'any' || label === 'redact' ? label : 'local';
}

export function strictestPrivacy(...labels: (Privacy | undefined)[]): Privacy {
  let strictest: Privacy = 'any';
  for (const label of labels) {
    if (label !== undefined && privacyStrictness(label) > privacyStrictness(strictest)) {
      strictest = label;
    }
  }
  return strictest;
}
