import type { CloudRequest } from '../cloud/index.ts';
import type { GenerateRequest } from '../protocol/index.ts';
import type { Cleared } from '../router/privacy/index.ts';

/** How a prompt is to be sent, beside what it asks. */
export type Sending = Pick<
  CloudRequest,
  | 'id'
  | 'trace'
  | 'tier'
  | 'model'
  | 'deadlineMs'
  | 'patient'
  | 'mayRestart'
  | 'idempotencyKey'
  | 'hops'
>;

/** What leaves the board of a conversation: the settings that it asks with, and the text that was cleared. */
export function toCloudRequest(
  { prompt: _raw, ...asked }: GenerateRequest,
  cleared: Cleared,
  sending: Sending,
): CloudRequest {
  return {
    ...asked,
    ...sending,
    messages: cleared.messages.map((message) => ({ ...message })),
    stop: [...cleared.stop],
    mayLeave: cleared.mayLeave,
    responseFormat: null,
  };
}
