import {
  type ChatMessage,
  type GenerateRequest,
  type RouteReason,
  toPrivacy,
} from '../../protocol/index.ts';
import { DETECTORS } from './detect.ts';
import type { Detector } from './kinds.ts';
import { freshSession, type SessionPrivacy } from './labels.ts';
import { countFindings, type Findings, mask } from './mask.ts';
import { Placeholders } from './placeholders.ts';
import { createUnmasker, unmask, type Unmasker } from './unmask.ts';

declare const clearedBrand: unique symbol;

/**
 * Text that may leave the board. Only `gate` makes it: by type (the brand has no name outside this
 * file) and at run time (`isCleared`), so that whatever sends can demand it.
 */
export type Cleared = {
  readonly [clearedBrand]: true;
  readonly mayLeave: true;
  readonly messages: readonly Readonly<ChatMessage>[];
  /** Stop strings, masked with the same table. */
  readonly stop: readonly string[];
  readonly findings: Findings;
  /** The session's table after this request. Prints as counts only. */
  readonly placeholders: Placeholders;
  /** The whole answer with the values put back. */
  unmask(answer: string): string;
  /** The same for an answer that arrives in pieces. */
  createUnmasker(): Unmasker;
  /** What a logger may print of it. */
  toJSON(): { mayLeave: true; findings: Findings };
};

export type Withheld = {
  readonly mayLeave: false;
  readonly reason: Extract<RouteReason, 'privacy_local' | 'session_sticky'>;
  /** What made it so; `detector_failed` means that nobody knows what the text holds. */
  readonly cause: 'label' | 'unknown_label' | 'session' | 'detector_failed';
  readonly findings: Findings;
};

export type Verdict = Cleared | Withheld;

export type GateOptions = { session?: SessionPrivacy; detectors?: readonly Detector[] };

const cleared = new WeakSet<object>();

/** True only for what `gate` returned. */
export function isCleared(value: unknown): value is Cleared {
  return typeof value === 'object' && value !== null && cleared.has(value);
}

/**
 * The one way off the board. `request` holds the whole conversation as it would be sent (history and
 * system prompt included); a raw `prompt` becomes a user message. Under `redact` everything found is
 * masked, under `any` the text goes as it is. It fails closed: an unknown label, a session that is
 * local and a detector that throws withhold the request. Never throws.
 */
export function gate(
  request: Pick<GenerateRequest, 'messages' | 'prompt'> & { stop?: readonly string[] },
  label: string,
  { session = freshSession, detectors = DETECTORS }: GateOptions = {},
): Verdict {
  const messages = request.messages ?? [{ role: 'user' as const, content: request.prompt ?? '' }];
  const stop = request.stop ?? [];
  const privacy = toPrivacy(label);
  try {
    if (privacy === 'redact' && !session.local) {
      return clearMasked(messages, stop, session.placeholders, detectors);
    }
    const texts = [...messages.map(({ content }) => content), ...stop];
    const findings = countFindings(texts, detectors);
    if (session.local) {
      return { mayLeave: false, reason: 'session_sticky', cause: 'session', findings };
    }
    if (privacy === 'local') {
      const cause = label === 'local' ? 'label' : 'unknown_label';
      return { mayLeave: false, reason: 'privacy_local', cause, findings };
    }
    return clear({ messages, stop, findings, placeholders: session.placeholders }, false);
  } catch {
    // The error may quote the text, so it goes no further.
    return { mayLeave: false, reason: 'privacy_local', cause: 'detector_failed', findings: {} };
  }
}

function clearMasked(
  messages: readonly ChatMessage[],
  stop: readonly string[],
  known: Placeholders,
  detectors: readonly Detector[],
): Cleared {
  // Stop strings ride along as messages, so that they share the table and its numbers.
  const riders = stop.map((content): ChatMessage => ({ role: 'user', content }));
  const masked = mask([...messages, ...riders], known, detectors);
  return clear(
    {
      messages: masked.messages.slice(0, messages.length),
      stop: masked.messages.slice(messages.length).map(({ content }) => content),
      findings: masked.findings,
      placeholders: masked.replacements,
    },
    true,
  );
}

function clear(
  parts: Pick<Cleared, 'messages' | 'stop' | 'findings' | 'placeholders'>,
  restores: boolean,
): Cleared {
  // Under `any` nothing was masked, so nothing may be taken for a placeholder in the answer.
  const table = restores ? parts.placeholders : Placeholders.none;
  const made = Object.freeze({
    ...parts,
    messages: Object.freeze(parts.messages.map((message) => Object.freeze({ ...message }))),
    stop: Object.freeze([...parts.stop]),
    mayLeave: true,
    unmask: (answer: string) => unmask(answer, table),
    createUnmasker: () => createUnmasker(table),
    toJSON: () => ({ mayLeave: true, findings: parts.findings }),
  });
  cleared.add(made);
  return made as unknown as Cleared;
}
