/**
 * privacy: what may leave the board, and in which form. `gate` is the only maker of `Cleared`, and text
 * goes to a cloud endpoint as `Cleared` or not at all. Promises: pure; linear time on any text; what is
 * masked comes back exactly; values appear in no log, JSON or error; whatever fails keeps the prompt
 * on the board. docs/privacy.md has what is found, how well, and what is not.
 */
export { type AuditInputs, type AuditRecord, auditRecord } from './audit.ts';
export { detect } from './detect.ts';
export {
  type Cleared,
  gate,
  type GateOptions,
  isCleared,
  type Verdict,
  type Withheld,
} from './gate.ts';
export type { Detector, Finding, Kind, Span } from './kinds.ts';
export {
  freshSession,
  type Label,
  type LabelInputs,
  type LabelSource,
  nextSession,
  type SessionPrivacy,
  strictest,
} from './labels.ts';
export { type Findings, mask, type Masked } from './mask.ts';
export { Placeholders } from './placeholders.ts';
export { createUnmasker, unmask, type Unmasker } from './unmask.ts';
