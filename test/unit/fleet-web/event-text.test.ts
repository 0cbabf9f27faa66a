import { describe, expect, it } from 'vitest';
import { createEventReader, type StreamEvent } from '../../../src/fleet/web/lib/event-text.ts';

function readAll(pieces: string[]): StreamEvent[] {
  const events: StreamEvent[] = [];
  const read = createEventReader((event) => events.push(event));
  for (const piece of pieces) read(piece);
  return events;
}

const TEXT = 'event: boards\nid: 7\ndata: {"a":1}\n\n: waiting\n\ndata: x\ndata: y\n\n';
const EVENTS = [
  { event: 'boards', data: '{"a":1}', id: '7' },
  { event: 'message', data: 'x\ny', id: '7' },
];

describe('the reader of event streams', () => {
  it('reads the same events wherever the network cuts the text', () => {
    expect(readAll([TEXT])).toEqual(EVENTS);
    expect(readAll(TEXT.split(''))).toEqual(EVENTS);
    for (let at = 1; at < TEXT.length; at += 1) {
      expect(readAll([TEXT.slice(0, at), TEXT.slice(at)])).toEqual(EVENTS);
    }
  });

  it('takes every kind of line end', () => {
    const windows = TEXT.replaceAll('\n', '\r\n');
    expect(readAll([windows])).toEqual(EVENTS);
    expect(readAll(windows.split(''))).toEqual(EVENTS);
  });

  it('hands out nothing of an event that has not ended', () => {
    expect(readAll(['data: half\n'])).toEqual([]);
  });
});
