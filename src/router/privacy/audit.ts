import { createHmac } from 'node:crypto';
import type { ChatMessage, Privacy, RouteReason } from '../../protocol/index.ts';
import type { LabelSource } from './labels.ts';
import type { Findings } from './mask.ts';

/** Which way a prompt went, and why; nothing in it lets the prompt be read. One line of JSON. */
export type AuditRecord = {
  v: 1;
  id: string;
  /** RFC 3339, UTC. */
  ts: string;
  /** HMAC-SHA256 of the conversation as it reached the gate, under the install's salt; hexadecimal. */
  prompt_hmac: string;
  label: Privacy;
  label_source: LabelSource;
  decision: 'edge' | 'cloud';
  reasons: RouteReason[];
  findings: Findings;
  /** Name of the cloud endpoint; null when the prompt stayed. */
  endpoint: string | null;
};

export type AuditInputs = {
  id: string;
  atMs: number;
  messages: readonly Readonly<ChatMessage>[];
  /** Random, one per install, at least 16 bytes, kept as secrets are: whoever has it can test guesses. */
  salt: Uint8Array;
  label: Privacy;
  labelSource: LabelSource;
  decision: AuditRecord['decision'];
  reasons: readonly RouteReason[];
  findings: Findings;
  endpoint: string | null;
};

const SHORTEST_SALT_BYTES = 16;

/**
 * A salted hash, because prompts are short: a plain one could be searched for (“unlock the door”).
 * Equal conversations have equal hashes on one install and on no two.
 *
 * @throws RangeError when the salt is too short to hide anything.
 */
export function auditRecord(inputs: AuditInputs): AuditRecord {
  if (inputs.salt.length < SHORTEST_SALT_BYTES) {
    throw new RangeError(`the audit salt needs ${SHORTEST_SALT_BYTES} bytes or more`);
  }
  const turns = inputs.messages.map(({ role, content }) => [role, content]);
  return {
    v: 1,
    id: inputs.id,
    ts: new Date(inputs.atMs).toISOString(),
    prompt_hmac: createHmac('sha256', inputs.salt).update(JSON.stringify(turns)).digest('hex'),
    label: inputs.label,
    label_source: inputs.labelSource,
    decision: inputs.decision,
    reasons: [...inputs.reasons],
    findings: { ...inputs.findings },
    endpoint: inputs.endpoint,
  };
}
