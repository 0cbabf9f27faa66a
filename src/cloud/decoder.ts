import { createParser } from 'eventsource-parser';
import { readChunk, type WireEvent } from './wire.ts';

/** One event, or one whole answer: top-20 log-probabilities of 8,000 tokens fit. */
const LONGEST_EVENT = 32 * 1024 * 1024;

export type Decoder = {
  feed(bytes: Uint8Array): WireEvent[];
  /** The body is over; what is left in hand is read as if a blank line followed. */
  end(): WireEvent[];
};

/**
 * Turns the bytes of an answer into events, however they are split. The first character that is not
 * blank tells a stream from a JSON answer and from a web page that a proxy put in between: content
 * types are often wrong.
 */
export function createDecoder(): Decoder {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  let events: WireEvent[] = [];
  let form: 'unknown' | 'sse' | 'json' | 'dead' = 'unknown';
  let json = '';

  const die = (why: string) => {
    form = 'dead';
    events.push({ type: 'malformed', why });
  };
  const parser = createParser({
    maxBufferSize: LONGEST_EVENT,
    onEvent: ({ data }) => {
      if (form === 'dead') return;
      const read: WireEvent[] =
        data.trim() === '[DONE]' ? [{ type: 'end' }] : readChunk(data, false);
      events.push(...read);
      if (read.some(({ type }) => type === 'malformed')) form = 'dead';
    },
    onError: ({ type }) => {
      if (type === 'max-buffer-size-exceeded') die('too large');
    },
  });

  const take = (): WireEvent[] => {
    const taken = events;
    events = [];
    return taken;
  };
  const accept = (chunk: string) => {
    let rest = chunk;
    if (form === 'unknown') {
      rest = rest.trimStart();
      if (rest === '') return;
      if (rest.startsWith('<')) return die('a web page');
      form = rest.startsWith('{') ? 'json' : 'sse';
    }
    if (form === 'sse') parser.feed(rest);
    if (form === 'json') {
      json += rest;
      if (json.length > LONGEST_EVENT) die('too large');
    }
  };
  const decode = (bytes?: Uint8Array) => {
    if (form === 'dead') return;
    try {
      accept(bytes === undefined ? utf8.decode() : utf8.decode(bytes, { stream: true }));
    } catch {
      die('invalid UTF-8');
    }
  };

  return {
    feed(bytes) {
      decode(bytes);
      return take();
    },
    end() {
      decode();
      if (form === 'sse') parser.feed('\n\n');
      if (form === 'json') events.push(...readChunk(json, true));
      return take();
    },
  };
}
