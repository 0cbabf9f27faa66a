import { createParser } from 'eventsource-parser';
import { type Clock, sleep } from '../../core/index.ts';
import type { TerminalFrame } from '../../protocol/index.ts';
import { CliError, EXIT } from '../common.ts';
import type { Decision, News, Source } from './look.ts';

const RETRY_MS = 2000;
/** The board sends a sign of life every 15 s. */
const SILENCE_MS = 40_000;

/** What `/api/events` says of an answer: a terminal frame without its text. */
type AnswerFacts = Partial<Extract<TerminalFrame, { type: 'done' }>> & {
  id: string;
  error?: { code: string };
};

function toDecision({ id, route, confidence, energy, timing, error }: AnswerFacts): Decision {
  return {
    id,
    target: route?.target ?? null,
    reasons: route?.reasons ?? [],
    escalated: route?.escalated ?? false,
    confidence: confidence ?? null,
    joules: energy?.joules ?? null,
    totalMs: timing?.total_ms ?? null,
    error: error?.code ?? null,
  };
}

function toNews(event: string | undefined, text: string): News | undefined {
  const data = JSON.parse(text) as unknown;
  if (event === 'answer') return { type: 'decision', data: toDecision(data as AnswerFacts) };
  if (event === 'state' || event === 'health' || event === 'telemetry') {
    return { type: event, data } as News;
  }
  return undefined;
}

const reasonOf = (error: unknown): string => {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const { code, message } = cause as { code?: string; message?: string };
  return code === 'ECONNREFUSED' ? 'nothing listens there' : (code ?? message ?? String(cause));
};

/** One life of the event stream; resolves when it ends, rejects when it cannot be had. */
async function listen(parts: {
  url: string;
  token: string | undefined;
  clock: Clock;
  signal: AbortSignal;
  onOpen: () => void;
  onNews: (news: News) => void;
}): Promise<void> {
  const { url, token, clock, onNews } = parts;
  const silence = new AbortController();
  const watch = () => clock.setTimer(SILENCE_MS, () => silence.abort());
  let patience = watch();
  const signal = AbortSignal.any([parts.signal, silence.signal]);
  try {
    const response = await fetch(new URL('/api/events', url), {
      headers: {
        accept: 'text/event-stream',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      signal,
    });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      const advice = response.status === 401 ? '; set http.token_file as the daemon has it' : '';
      throw new CliError(EXIT.failed, `${url} answers ${response.status}${advice}`);
    }
    parts.onOpen();
    const parser = createParser({
      onEvent({ event, data }) {
        const news = toNews(event, data);
        if (news !== undefined) onNews(news);
      },
    });
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      patience.cancel();
      patience = watch();
      parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }));
    }
  } finally {
    patience.cancel();
  }
}

/** Follows a board over HTTP. The first connection must succeed; later ones are tried again and again. */
export async function openHttpSource(options: {
  url: string;
  token: string | undefined;
  clock: Clock;
  onNews: (news: News) => void;
}): Promise<Source> {
  const { url, clock, onNews } = options;
  const abort = new AbortController();
  const { promise: opened, resolve: isOpen, reject: failed } = Promise.withResolvers<void>();
  let hasOpened = false;
  const follow = async (): Promise<void> => {
    while (!abort.signal.aborted) {
      try {
        await listen({
          ...options,
          signal: abort.signal,
          onOpen() {
            hasOpened = true;
            isOpen();
            onNews({ type: 'connection', data: { connected: true } });
          },
        });
        onNews({ type: 'connection', data: { connected: false, problem: 'the board hung up' } });
      } catch (error) {
        if (abort.signal.aborted) return;
        if (!hasOpened) {
          failed(
            error instanceof CliError
              ? error
              : new CliError(
                  EXIT.unreachable,
                  `no board answers at ${url} (${reasonOf(error)}); is the daemon running? ` +
                    'A board elsewhere: --broker URL --node ID',
                ),
          );
          return;
        }
        onNews({ type: 'connection', data: { connected: false, problem: reasonOf(error) } });
      }
      await sleep(clock, RETRY_MS, abort.signal);
    }
  };
  const following = follow();
  await opened;
  return {
    async close() {
      abort.abort();
      await following;
    },
  };
}
