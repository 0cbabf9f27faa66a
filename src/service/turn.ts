import type { Clock, SpanParent, Tracing } from '../core/index.ts';
import { type ChatMessage, type GenerateRequest, strictestPrivacy } from '../protocol/index.ts';
import type { Journal, SessionFacts, StoredPrompt } from '../queue/types.ts';
import { encodeFrame, type FrameHead, frameHead } from './answers.ts';
import type { ReplyPort, RoutedPrompt } from './ports.ts';
import { bodyOf, type PromptBody } from './stored-body.ts';

export type TurnContext = {
  node: string;
  systemPrompt: string;
  clock: Clock;
  journal: Journal;
  port: ReplyPort;
  tracing: Tracing;
};

/** A stored prompt as the router sees it. */
export function routedPrompt(
  stored: Pick<StoredPrompt, 'body' | 'session'> & {
    expiresAt?: number | null;
    deadlineMs: number | null;
  },
  journal: Journal,
): RoutedPrompt {
  const body = bodyOf(stored);
  const facts: SessionFacts =
    stored.session === null ? { local: false, target: null } : journal.sessionFacts(stored.session);
  return {
    generate: body.generate,
    route: body.route,
    model: body.model,
    privacy: strictestPrivacy(body.privacy, facts.local ? 'local' : undefined),
    labelSource: facts.local && body.privacy !== 'local' ? 'session' : body.privacyFrom,
    sessionTarget: facts.target,
    deadlineMs:
      typeof stored.expiresAt === 'number' ? stored.expiresAt - journal.now() : stored.deadlineMs,
  };
}

/** One claimed prompt while it is being answered: what was asked, and the stream of frames back. */
export class Turn {
  readonly head: FrameHead;
  readonly body: PromptBody;
  readonly prompt: RoutedPrompt;
  /** The whole conversation: system prompt, earlier turns and the new ones. */
  readonly request: GenerateRequest;
  readonly queuedMs: number;
  readonly trace: SpanParent;
  readonly #startedAt: number;
  readonly #stored: StoredPrompt;
  readonly #context: TurnContext;
  #seq = 0;
  #firstTokenMs: number | undefined;

  constructor(stored: StoredPrompt, context: TurnContext) {
    const { clock, journal, node } = context;
    this.#stored = stored;
    this.#context = context;
    this.#startedAt = clock.monotonicMs();
    this.head = frameHead(stored.id, node);
    this.body = bodyOf(stored);
    this.trace = context.tracing.under(this.body.trace?.traceparent);
    this.prompt = routedPrompt(stored, journal);
    this.queuedMs = Math.max(0, journal.now() - stored.acceptedAt);
    const earlier = stored.session === null ? [] : journal.sessionTurns(stored.session);
    this.request = withHistory(this.body.generate, earlier, context.systemPrompt);
  }

  /** Since the run began. */
  ranMs(): number {
    return this.#context.clock.monotonicMs() - this.#startedAt;
  }

  /** Of the answer that is being streamed now; undefined before it. */
  get firstTokenMs(): number | undefined {
    return this.#firstTokenMs;
  }

  /** Whether what was streamed can still be taken back. */
  get mayRestart(): boolean {
    return this.body.escalatesMidStream || this.#seq === 0;
  }

  delta(text: string): void {
    if (text === '') return;
    this.#firstTokenMs ??= this.ranMs();
    if (this.body.stream) this.#send({ ...this.head, type: 'delta', seq: this.#seq, text });
    this.#seq += 1;
  }

  /** Voids what was streamed. */
  restart(reason: string): void {
    if (this.body.stream && this.#seq > 0) {
      this.#send({ ...this.head, type: 'restart', reason });
    }
    this.#seq = 0;
    this.#firstTokenMs = undefined;
  }

  /** What a session keeps of this turn. */
  turnsWith(answer: string): ChatMessage[] {
    const { messages, prompt } = this.body.generate;
    return [
      ...(messages ?? [{ role: 'user' as const, content: prompt ?? '' }]),
      { role: 'assistant', content: answer },
    ];
  }

  #send(frame: Parameters<typeof encodeFrame>[0]): void {
    const { id, reply } = this.#stored;
    const payload = encodeFrame(frame, reply.format);
    if (payload !== undefined) this.#context.port.trySend({ id, reply, payload });
  }
}

/** A session's earlier turns go before the new ones; the configured system prompt before all. */
function withHistory(
  request: GenerateRequest,
  earlier: ChatMessage[],
  systemPrompt: string,
): GenerateRequest {
  if (request.messages === undefined) return request;
  const messages = [...earlier, ...request.messages];
  const hasSystem = messages.some((message) => message.role === 'system');
  if (systemPrompt !== '' && !hasSystem)
    messages.unshift({ role: 'system', content: systemPrompt });
  return { ...request, messages };
}
