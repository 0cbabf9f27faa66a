import type { Transport, TransportCall } from '../../src/cloud/index.ts';
import { type Clock, sleep } from '../../src/core/index.ts';

/** What a server does, by the clock of the test. */
export type Script = {
  /** Until the status line; null never sends it. */
  headersMs?: number | null;
  status?: number;
  headers?: Record<string, string>;
  /** Pieces of the body, each with the wait before it. */
  body?: [waitMs: number, text: string][];
  /** `hang` never ends the body, `cut` breaks it. */
  end?: 'close' | 'hang' | 'cut';
  /** No connection at all. */
  refuse?: boolean;
};

export type ScriptedCall = TransportCall & { atMs: number; endedMs: number | null };

export type ScriptedTransport = Transport & {
  calls: ScriptedCall[];
  /** Calls that have not ended. */
  open(): number;
};

const chunk = (fields: object): string => `data: ${JSON.stringify(fields)}\n\n`;
export const textChunk = (text: string): string =>
  chunk({ choices: [{ delta: { content: text } }] });
export const END =
  chunk({ choices: [{ delta: {}, finish_reason: 'stop' }] }) +
  chunk({ choices: [], usage: { prompt_tokens: 10, completion_tokens: 5 } }) +
  'data: [DONE]\n\n';

/** Answers `text` after `firstMs`. */
export const answering = (text: string, firstMs = 100): Script => ({
  body: [
    [firstMs, textChunk(text)],
    [10, END],
  ],
});

/** A transport that plays scripts in virtual time and obeys its signal as the real one does. */
export function createScriptedTransport(
  clock: Clock,
  play: (call: ScriptedCall, number: number) => Script,
): ScriptedTransport {
  const calls: ScriptedCall[] = [];
  const failWith = (code: string) => Object.assign(new Error(code), { code });
  const waited = async (ms: number, signal: AbortSignal) => {
    await sleep(clock, ms, signal);
    signal.throwIfAborted();
  };
  const forever = (signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(failWith('UND_ERR_ABORTED')), { once: true });
    });

  return {
    calls,
    open: () => calls.filter(({ endedMs }) => endedMs === null).length,
    async post(sent, signal) {
      const call: ScriptedCall = { ...sent, atMs: clock.monotonicMs(), endedMs: null };
      const script = play(call, calls.push(call) - 1);
      const ended = () => (call.endedMs ??= clock.monotonicMs());
      signal.addEventListener('abort', ended, { once: true });
      if (script.refuse === true) {
        ended();
        throw failWith('ECONNREFUSED');
      }
      if (script.headersMs === null) return forever(signal);
      await waited(script.headersMs ?? 0, signal);
      async function* body() {
        for (const [waitMs, text] of script.body ?? []) {
          await waited(waitMs, signal);
          yield Buffer.from(text);
        }
        if (script.end === 'hang') await forever(signal);
        ended();
        if (script.end === 'cut') throw failWith('ECONNRESET');
      }
      return { status: script.status ?? 200, headers: script.headers ?? {}, body: body() };
    },
    close: async () => {},
  };
}
