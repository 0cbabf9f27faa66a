import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDecoder } from '../../../src/cloud/decoder.ts';
import { providerErrorOf, readChunk, type WireEvent } from '../../../src/cloud/wire.ts';

function decode(pieces: Uint8Array[]): WireEvent[] {
  const decoder = createDecoder();
  return [...pieces.flatMap((piece) => decoder.feed(piece)), ...decoder.end()];
}

const decodeText = (text: string) => decode([Buffer.from(text)]);

function splitAt(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const places = [0, ...[...new Set(cuts)].sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, at) => bytes.subarray(places[at], end));
}

const textOf = (events: WireEvent[]) =>
  events.map((event) => (event.type === 'text' ? event.text : '')).join('');

const chunk = (fields: object) => `data: ${JSON.stringify(fields)}`;
const delta = (content: string) => chunk({ choices: [{ delta: { content } }] });

describe('the decoder of streams', () => {
  it('reads the same whatever the line ends and wherever the bytes are split', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }), { maxLength: 8 }),
        fc.constantFrom('\n', '\r\n'),
        fc.array(fc.nat(2000), { maxLength: 40 }),
        (texts, newline, cuts) => {
          const lines = ['\uFEFF: ping', '', 'event: message', ...texts.map(delta), chunk({})];
          const finish = chunk({ choices: [{ delta: {}, finish_reason: 'recover_stop' }] });
          const body = [...lines, finish, 'data: [DONE]', ''].join(newline + newline);
          const bytes = Buffer.from(body);
          const events = decode(
            splitAt(
              bytes,
              cuts.map((cut) => cut % bytes.length),
            ),
          );
          expect(textOf(events)).toBe(texts.join(''));
          expect(events.slice(-2)).toEqual([
            { type: 'finish', reason: 'stop', filtered: false },
            { type: 'end' },
          ]);
        },
      ),
    );
  });

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 }), (pieces) => {
        expect(Array.isArray(decode(pieces))).toBe(true);
      }),
    );
  });

  it('keeps thoughts apart from the answer', () => {
    const events = decodeText(
      `${chunk({ choices: [{ delta: { reasoning_content: 'hm', content: null } }] })}\n\n${delta('yes')}\n\n`,
    );
    expect(events).toEqual([
      { type: 'thought', text: 'hm' },
      { type: 'text', text: 'yes' },
    ]);
  });

  it.each([
    ['half a JSON object', 'data: {"choices":[{"del\n\n', 'malformed JSON'],
    ['another kind of object', 'data: {"choices":"none"}\n\n', 'not a chat completion'],
    ['a web page', '\n <!doctype html><p>log in', 'a web page'],
    ['a JSON answer cut off', '{"choices":[{"mess', 'malformed JSON'],
    ['JSON that is no answer', '{"hello":1}', 'not a chat completion'],
  ])('calls %s malformed, and reads no further', (_name, body, why) => {
    expect(decodeText(`${body}${body.startsWith('data') ? `${delta('late')}\n\n` : ''}`)).toEqual([
      { type: 'malformed', why },
    ]);
  });

  it('calls bytes that are no UTF-8 malformed', () => {
    const [start, end] = delta('AB').split('AB') as [string, string];
    const body = Buffer.concat([Buffer.from(start), Buffer.from([0xc3, 0x28]), Buffer.from(end)]);
    expect(decode([body])).toEqual([{ type: 'malformed', why: 'invalid UTF-8' }]);
  });

  it('reads the last event without a blank line behind it', () => {
    expect(decodeText(`${delta('a')}\n\ndata: [DONE]`).at(-1)).toEqual({ type: 'end' });
  });

  it('reads only the first choice', () => {
    const choices = [
      { index: 1, delta: { content: 'no' } },
      { index: 0, delta: { content: 'yes' } },
    ];
    expect(textOf(decodeText(`${chunk({ choices })}\n\n`))).toBe('yes');
  });

  it('reads log-probabilities of both APIs', () => {
    const token = { token: '好', logprob: -0.5, bytes: null, top_logprobs: [] };
    const chat = readChunk(
      JSON.stringify({ choices: [{ logprobs: { content: [token] } }] }),
      false,
    );
    const raw = readChunk(
      JSON.stringify({
        choices: [{ text: '', logprobs: { tokens: ['好'], token_logprobs: [-0.5] } }],
      }),
      false,
    );
    const bytes = [0xe5, 0xa5, 0xbd];
    const expected = { type: 'logprobs', tokens: [{ ...token, bytes }] };
    expect(chat).toEqual([expected]);
    expect(raw).toEqual([expected]);
  });
});

describe('errors of providers', () => {
  it.each([
    [{ error: { message: 'm', code: 429 } }, { status: 429, message: 'm' }],
    [{ error: { message: 'm', type: 'rate_limit_exceeded' } }, { status: 429, message: 'm' }],
    [{ error: { message: 'm', code: 'invalid_iam_token' } }, { status: 401, message: 'm' }],
    [{ error: 'busy' }, { status: null, message: 'busy' }],
    [{ detail: 'no' }, { status: null, message: 'no' }],
    [
      { object: 'error', message: 'm', code: 400 },
      { status: 400, message: 'm' },
    ],
    [
      { error_code: 18, error_msg: 'qps' },
      { status: null, message: 'qps' },
    ],
    [{ error: { code: 'rate_limited', message: 'm' } }, { status: 429, message: 'm' }],
  ])('reads %j', (body, expected) => {
    expect(providerErrorOf(body)).toMatchObject(expected);
  });

  it.each([null, 'x', 1, [], {}, { error: null, choices: [] }])('finds none in %j', (body) => {
    expect(providerErrorOf(body)).toBeNull();
  });
});
