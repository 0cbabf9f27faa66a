import type { ServerResponse } from 'node:http';
import { type Clock, type ErrorBody, TwowattError } from '../../core/index.ts';
import type { DoneFrame, Frame } from '../../protocol/index.ts';
import { type EventStream, openEventStream } from './event-stream.ts';
import { type AnswerHead, chunksOf, errorReply } from './openai-objects.ts';

/**
 * How long the status line waits for the first text: an error before it gets a status of its own.
 * Longer waits (a queue, a pause of the governor) go on as a stream, whose heartbeat proxies see.
 */
const STATUS_PATIENCE_MS = 10_000;

/**
 * One answer as OpenAI's stream of chunks. Returns what takes the frames.
 *
 * Text on the wire cannot be taken back. When the engine starts an answer anew, what was sent is
 * not sent again, and the stream goes on where it stood if the new text begins with it; a greedy
 * or seeded answer does. Otherwise it ends with an error.
 *
 * A slow reader gets fewer, longer chunks: what waits here is the answer's own text, once.
 */
export function createAnswerStream(options: {
  response: ServerResponse;
  head: AnswerHead;
  model: string;
  includeUsage: boolean;
  clock: Clock;
  /** The answer failed before anything was sent. */
  onEarlyError: (error: ErrorBody) => void;
}): (frame: Frame) => void {
  const { response, clock } = options;
  const chunks = chunksOf(options.head, options);
  let stream: EventStream | undefined;
  let sent = '';
  /** Text that may be sent and waits for a slow reader. */
  let pending = '';
  /** After a restart: how much of `sent` the new text has repeated; undefined once it has gone beyond. */
  let repeated: number | undefined;
  let diverged = false;
  let finished = false;

  const patience = clock.setTimer(STATUS_PATIENCE_MS, begin);
  response.once('close', () => {
    finished = true;
    patience.cancel();
  });

  function begin(): EventStream {
    patience.cancel();
    if (stream !== undefined) return stream;
    stream = openEventStream(response, { clock, onRoom: flush });
    const opening = chunks.opening();
    if (opening !== undefined) stream.send(opening);
    return stream;
  }

  function flush(): void {
    const open = begin();
    if (finished || pending === '' || open.backlogged()) return;
    open.send(chunks.text(pending));
    sent += pending;
    pending = '';
  }

  /** What of a delta is new to the reader. */
  function unheard(text: string): string {
    if (repeated === undefined) return text;
    const known = text.slice(0, sent.length - repeated);
    diverged ||= !sent.startsWith(known, repeated);
    repeated += known.length;
    if (repeated === sent.length) repeated = undefined;
    return text.slice(known.length);
  }

  function finish(frame: DoneFrame): void {
    const open = begin();
    if (!frame.text.startsWith(sent)) {
      const error = new TwowattError(
        'internal',
        'the engine was restarted and came to another answer; what was sent so far is void',
      );
      return fail(error.toBody());
    }
    const rest = frame.text.slice(sent.length);
    if (rest !== '') open.send(chunks.text(rest));
    open.send(chunks.closing(frame));
    if (options.includeUsage) open.send(chunks.usage(frame));
    open.send('[DONE]');
    open.end();
  }

  function fail(error: ErrorBody): void {
    patience.cancel();
    if (stream === undefined) return options.onEarlyError(error);
    stream.send(errorReply(error).body);
    stream.end();
  }

  return (frame) => {
    if (finished) return;
    switch (frame.type) {
      case 'accepted':
        return;
      case 'delta':
        pending += unheard(frame.text);
        return diverged ? undefined : flush();
      case 'restart':
        pending = '';
        diverged = false;
        repeated = sent === '' ? undefined : 0;
        return;
      case 'done':
        finished = true;
        return finish(frame);
      case 'error':
        finished = true;
        return fail(frame.error);
    }
  };
}
