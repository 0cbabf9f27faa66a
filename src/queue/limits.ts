export type JournalLimits = {
  /** Waiting and running prompts. */
  maxDepth: number;
  /**
   * Bytes of what must not be lost: active prompts and unsent answers (their texts and a fixed
   * overhead per row). Beyond it prompts are refused. Half as much again keeps sent answers for the
   * dedupe window (the oldest go first) and the same keeps sessions (the longest unused go first), so
   * that neither crowds out the other. The file may grow to about three times this figure: freed
   * pages are kept for the next prompts, and a log of a few MiB lies beside it.
   */
  maxBytes: number;
  /** How long answers (sent or not) and unused sessions are kept. */
  retentionMs: number;
  /** How long after its answer a prompt is recognised; retention, when shorter, ends it sooner. */
  dedupeWindowMs: number;
  /** Runs after which a prompt comes out of `claim` as `exhausted`. */
  maxAttempts: number;
};

const SENT_PART = 1 / 2;
const SESSION_PART = 1 / 2;

export const sentShareBytes = (limits: JournalLimits) => limits.maxBytes * SENT_PART;
export const sessionShareBytes = (limits: JournalLimits) => limits.maxBytes * SESSION_PART;
