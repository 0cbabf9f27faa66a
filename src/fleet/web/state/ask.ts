import { createEventReader } from '../lib/event-text.ts';
import { address, ApiError, headersFor, problemOf } from './api.ts';

/** What the last chunk of an answer tells about it. */
export type AnswerFacts = {
  route?: { target: 'edge' | 'cloud'; endpoint: string | null; reasons: string[] };
  energy?: { joules: number | null; joules_per_token: number | null; measured: boolean };
  confidence?: number | null;
  timing?: { ttft_ms: number; total_ms: number; tokens_per_s: number };
  cost?: { amount: number; currency: string };
};

type Chunk = {
  choices?: { delta?: { content?: string }; finish_reason?: string | null }[];
  twowatt?: AnswerFacts;
  error?: { code?: string; message?: string };
};

/**
 * Asks the board as any client of OpenAI's API would, and hands the answer out as it grows.
 * @throws ApiError
 */
export async function ask(options: {
  text: string;
  route: string;
  signal: AbortSignal;
  onText: (more: string) => void;
}): Promise<{ facts: AnswerFacts | null; finish: string | null }> {
  const { text, route, signal, onText } = options;
  const response = await fetch(address('/v1/chat/completions'), {
    method: 'POST',
    headers: { ...headersFor(true), 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: text }], stream: true, route }),
    signal,
  });
  if (!response.ok || response.body === null) throw await problemOf(response);
  let facts: AnswerFacts | null = null;
  let finish: string | null = null;
  let failed: ApiError | null = null;
  const read = createEventReader(({ data }) => {
    if (data === '[DONE]') return;
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error !== undefined) {
      failed = new ApiError(chunk.error.code ?? 'internal', chunk.error.message ?? '', 200);
    }
    const [choice] = chunk.choices ?? [];
    if (choice?.delta?.content !== undefined) onText(choice.delta.content);
    if (typeof choice?.finish_reason === 'string') finish = choice.finish_reason;
    if (chunk.twowatt !== undefined) facts = chunk.twowatt;
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    read(value);
  }
  if (failed !== null) throw failed;
  return { facts, finish };
}
