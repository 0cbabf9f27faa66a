import type { TraceOrigin } from '../core/index.ts';
import type { Privacy, Prompt } from '../protocol/index.ts';

export type PrivacySource = 'message' | 'session' | 'topic' | 'config';

/** What the journal keeps as a prompt's body: everything that running it needs. */
export type PromptBody = Pick<Prompt, 'generate' | 'stream' | 'route' | 'model'> & {
  privacy: Privacy;
  /** Who asked for the strictest label. */
  privacyFrom: PrivacySource;
  /** Nodes that handed the prompt on before this one (header `twowatt-hops`). */
  hops: number;
  /** Whether a router may still escalate after the first delta; HTTP streams cannot take text back. */
  escalatesMidStream: boolean;
  /** Absent where nothing is traced. */
  trace?: TraceOrigin;
};

const read = new WeakMap<object, PromptBody>();

/** The body of a prompt; parsed once for each object that the journal hands out. */
export function bodyOf(prompt: { body: string }): PromptBody {
  const known = read.get(prompt);
  if (known !== undefined) return known;
  const body = JSON.parse(prompt.body) as PromptBody;
  read.set(prompt, body);
  return body;
}

/** Spares the parsing of a body that was just made. */
export function knowBody<P extends { body: string }>(prompt: P, body: PromptBody): P {
  read.set(prompt, body);
  return prompt;
}
