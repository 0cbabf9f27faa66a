import { Answer } from '../../src/cloud/answer.ts';
import { createDecoder } from '../../src/cloud/decoder.ts';
import { EndpointRuntime } from '../../src/cloud/endpoint.ts';
import type { WireEvent } from '../../src/cloud/wire.ts';
import { createSystemClock, noSpan, silentLogger } from '../../src/core/index.ts';
import { codedOnly, ensure } from '../expect.ts';

/** A cloud endpoint's answer: server-sent events, one JSON object, or whatever it sends instead. */
export const name = 'cloud';

const clock = createSystemClock();
const request = {
  messages: [{ role: 'user' as const, content: 'what is MQTT' }],
  maxTokens: 100,
  sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, seed: null },
  stop: [],
  topLogprobs: 2,
  mayLeave: true,
  responseFormat: null,
  tier: null,
  model: null,
  deadlineMs: clock.monotonicMs() + 60_000,
  patient: false,
  mayRestart: true,
  idempotencyKey: null,
  hops: 0,
  id: 'fuzz',
  trace: noSpan,
};
const endpoint = new EndpointRuntime(
  {
    name: 'e',
    baseUrl: 'http://e.invalid/v1',
    model: 'm',
    apiKey: null,
    tier: 1,
    priceIn: 1,
    priceOut: 2,
    currency: 'USD',
    weight: 1,
    maxConcurrency: 4,
    connectTimeoutMs: 1000,
    firstTokenTimeoutMs: 5000,
    idleTimeoutMs: 3000,
    totalTimeoutMs: 60_000,
    extraBody: {},
  },
  { clock, logger: silentLogger, random: () => 0.5 },
  () => {},
);

const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`;

/** The first byte says into pieces of how many bytes the rest is cut. */
export const seeds = () => [
  `\u0001${event({ choices: [{ delta: { content: '你好' } }] })}data: [DONE]\n\n`,
  `\u0007: comment\nid: 1\nevent: x\r\n${event({ choices: [{ index: 0, delta: { reasoning_content: 'hm' }, finish_reason: 'stop' }], usage: { prompt_tokens: 3, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 2 } } })}`,
  `\u0000${JSON.stringify({ choices: [{ message: { content: 'x' }, logprobs: { content: [{ token: 'x', logprob: -0.1, bytes: [120], top_logprobs: [{ token: 'y', logprob: -3 }] }] } }] })}`,
  `\u0003${event({ choices: [{ text: 'x', logprobs: { tokens: ['x'], token_logprobs: [-0.5], top_logprobs: [{ x: -0.5 }] } }] })}`,
  `\u0005${event({ error: { code: 'rate_limit', type: 't', message: 'slow down', status: 429 } })}`,
  `\u0002{"detail":"no","error_code":17}`,
  `\u0009<html>log in</html>`,
  `\u0004${event({ choices: [{ delta: { content: 'x' }, logprobs: { content: [{ token: 'x', logprob: 5 }] } }] })}`,
];

function decode(bytes: Buffer, step: number): WireEvent[] {
  const decoder = createDecoder();
  const events: WireEvent[] = [];
  for (let at = 0; at < bytes.length; at += step) {
    for (const one of decoder.feed(bytes.subarray(at, at + step))) events.push(one);
  }
  for (const one of decoder.end()) events.push(one);
  return events;
}

export function fuzz(data: Buffer): void {
  const bytes = data.subarray(1);
  const whole = codedOnly(() => decode(bytes, Math.max(1, bytes.length)));
  const cut = codedOnly(() => decode(bytes, (data[0] ?? 0) + 1));
  ensure(whole !== undefined && cut !== undefined, 'the decoder does not throw');
  // Of what is broken, less may have been read when it comes in one piece.
  const isBroken = (events: WireEvent[]) => events.some(({ type }) => type === 'malformed');
  ensure(isBroken(whole) === isBroken(cut), 'however it is cut, it is whole or broken');
  ensure(
    isBroken(whole) || JSON.stringify(whole) === JSON.stringify(cut),
    'however it is cut, it says the same',
  );
  const answer = new Answer(endpoint, request);
  codedOnly(() => {
    for (const one of whole) answer.take(one);
  });
  const confidence = answer.confidence();
  ensure(confidence === null || (confidence >= 0 && confidence <= 1), `confidence ${confidence}`);
  const { promptTokens, completionTokens } = answer.usage();
  ensure(
    promptTokens >= 0 && completionTokens >= 0 && completionTokens <= 108,
    'usage can be true',
  );
}
