import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TwowattError } from '../../../src/core/index.ts';
import {
  decodePromptPayload,
  parsePrompt,
  strictestPrivacy,
  toPrivacy,
} from '../../../src/protocol/index.ts';

const messages = [{ role: 'user', content: '开灯' }];

function refusal(body: unknown): TwowattError {
  try {
    parsePrompt(body);
  } catch (error) {
    if (error instanceof TwowattError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

describe('parsePrompt', () => {
  it('fills in the defaults of the contract', () => {
    expect(parsePrompt({ messages })).toEqual({
      id: undefined,
      generate: {
        messages,
        maxTokens: 256,
        sampling: {
          temperature: 0,
          topP: 1,
          topK: 0,
          minP: 0,
          repetitionPenalty: 1,
          seed: null,
        },
        stop: [],
        topLogprobs: null,
      },
      model: undefined,
      stream: false,
      session: undefined,
      route: 'auto',
      privacy: undefined,
      deadlineMs: undefined,
      priority: 5,
      replyTo: undefined,
    });
  });

  it('takes null for "not set" as OpenAI clients send it, and ignores unknown fields', () => {
    const prompt = parsePrompt({
      messages,
      max_tokens: null,
      stop: null,
      tools: null,
      n: 1,
      presence_penalty: 0,
      response_format: { type: 'text' },
      user: 'somebody',
    });
    expect(prompt.generate.maxTokens).toBe(256);
  });

  it.each([
    [{ messages, max_tokens: 7, max_completion_tokens: 9 }, 9],
    [{ messages, max_tokens: 7 }, 7],
  ])('reads max_tokens from %j', (body, expected) => {
    expect(parsePrompt(body).generate.maxTokens).toBe(expected);
  });

  it.each<[unknown, string | undefined]>([
    [[], undefined],
    ['text', undefined],
    [null, undefined],
    [{}, 'messages'],
    [{ messages, prompt: 'x' }, 'prompt'],
    [{ messages: [] }, 'messages'],
    [{ messages: 'x' }, 'messages'],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages.0.role'],
    [{ messages: [{ role: 'user', content: 5 }] }, 'messages.0.content'],
    [
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }] },
      'messages.0.content',
    ],
    [{ prompt: '' }, 'prompt'],
    [{ messages, max_tokens: 0 }, 'max_tokens'],
    [{ messages, max_tokens: 1.5 }, 'max_tokens'],
    [{ messages, max_tokens: '9' }, 'max_tokens'],
    [{ messages, temperature: -1 }, 'temperature'],
    [{ messages, temperature: 'hot' }, 'temperature'],
    [{ messages, top_p: 2 }, 'top_p'],
    [{ messages, top_k: -1 }, 'top_k'],
    [{ messages, seed: 1.5 }, 'seed'],
    [{ messages, stop: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'] }, 'stop'],
    [{ messages, stop: '' }, 'stop'],
    [{ messages, stream: 'yes' }, 'stream'],
    [{ messages, top_logprobs: 3 }, 'top_logprobs'],
    [{ messages, logprobs: true, top_logprobs: 21 }, 'top_logprobs'],
    [{ messages, id: 'a b' }, 'id'],
    [{ messages, id: 'text' }, 'id'],
    [{ messages, id: 'invalid' }, 'id'],
    [{ messages, id: 'x'.repeat(129) }, 'id'],
    [{ messages, session: 'a/b' }, 'session'],
    [{ messages, route: 'moon' }, 'route'],
    [{ messages, privacy: 3 }, 'privacy'],
    [{ messages, deadline_ms: 0 }, 'deadline_ms'],
    [{ messages, deadline_ms: '1' }, 'deadline_ms'],
    [{ messages, priority: 10 }, 'priority'],
    [{ messages, reply_to: 1 }, 'reply_to'],
  ])('refuses %j and names the field', (body, param) => {
    const error = refusal(body);
    expect(error.code).toBe('invalid_request');
    expect(
      error.param
        ?.split('.')
        .slice(0, param?.split('.').length ?? 1)
        .join('.'),
    ).toBe(param);
  });

  it.each([
    [{ messages, tools: [{}] }, 'tools'],
    [{ messages, n: 2 }, 'n'],
    [{ messages, audio: { voice: 'x' } }, 'audio'],
    [{ messages, modalities: ['text', 'audio'] }, 'modalities'],
    [{ messages, frequency_penalty: 0.5 }, 'frequency_penalty'],
    [
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
      'messages.0.content',
    ],
  ])('answers unsupported to %j', (body, param) => {
    expect(refusal(body)).toMatchObject({ code: 'unsupported', param });
  });

  it('blocks local prompts from the cloud, also with a misspelt label', () => {
    expect(refusal({ messages, privacy: 'local', route: 'cloud' }).code).toBe('privacy_blocked');
    expect(refusal({ messages, privacy: 'Any', route: 'cloud' }).code).toBe('privacy_blocked');
  });

  it('refuses any JSON with a coded error or takes it, and never throws anything else', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        try {
          parsePrompt(body);
        } catch (error) {
          expect(error).toBeInstanceOf(TwowattError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('decodePromptPayload', () => {
  const bytes = (text: string) => new TextEncoder().encode(text);

  it('reads JSON after blanks and text otherwise', () => {
    expect(decodePromptPayload(bytes(' \n{"a":1}'))).toEqual({ json: { a: 1 } });
    expect(decodePromptPayload(bytes('[1]'))).toEqual({ text: '[1]' });
    expect(decodePromptPayload(bytes('关灯'))).toEqual({ text: '关灯' });
  });

  it.each([['{'], ['{"a":'], [''], ['  '], ['{'.repeat(60_000)], ['{"a":'.repeat(10_000)]])(
    'refuses %.20j',
    (text) => {
      expect(() => decodePromptPayload(bytes(text))).toThrow(TwowattError);
    },
  );

  it('refuses invalid UTF-8', () => {
    expect(() => decodePromptPayload(Uint8Array.of(0x7b, 0xff))).toThrow(/UTF-8/);
  });
});

describe('privacy', () => {
  it('takes the strictest label and counts unknown ones as local', () => {
    expect(strictestPrivacy('any', 'redact')).toBe('redact');
    expect(strictestPrivacy('any', 'local', 'redact')).toBe('local');
    expect(strictestPrivacy(undefined, 'any')).toBe('any');
    expect(toPrivacy('ANY')).toBe('local');
  });
});
