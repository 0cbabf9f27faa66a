import { cleanMessage } from '../../src/cloud/clean.ts';
import { failureOfStatus, retryAfterMs } from '../../src/cloud/failure.ts';
import { providerErrorOf } from '../../src/cloud/wire.ts';
import { createSystemClock, noSpan } from '../../src/core/index.ts';
import { ensure, inTime, joined, pieces } from '../expect.ts';

/** What a cloud endpoint says of an error: neither the key nor the prompt may come back out of it. */
export const name = 'cloud-errors';

const KEY = 'sk-0123456789abcdefghijklmnopqrstuv';
const PROMPT = 'the canary sings in kitchen number four';
/** Shorter runs of characters happen by chance. */
const RUN = 8;
const clock = createSystemClock();

export const seeds = () => [
  joined('5', '429', '{"error":{"message":"slow","code":"rate_limit_exceeded"}}'),
  joined('Wed, 21 Oct 2015 07:28:00 GMT', '400', '{"error":{"message":"context length exceeded"}}'),
  joined('1e9', '401', `{"error":{"message":"bad key ${KEY}"}}`),
  joined('-1', '500', `{"detail":"you said: ${PROMPT}"}`),
  joined('', '422', '{"object":"error","message":"\\u0074he canary","code":400}'),
  joined('', '200', '{"error_code":336,"error_msg":"Bearer abcdefgh"}'),
];

const request = {
  messages: [{ role: 'user' as const, content: PROMPT }],
  maxTokens: 1,
  sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, seed: null },
  stop: [],
  topLogprobs: null,
  mayLeave: true,
  responseFormat: null,
  tier: null,
  model: null,
  deadlineMs: 0,
  patient: false,
  mayRestart: true,
  idempotencyKey: null,
  hops: 0,
  id: 'fuzz',
  trace: noSpan,
};

export function fuzz(data: Buffer): void {
  const [after, status, body] = pieces(data, 3) as [Buffer, Buffer, Buffer];
  const rest = retryAfterMs({ 'retry-after': after.toString(), date: status.toString() }, clock);
  ensure(rest === undefined || (rest >= 0 && rest <= 3_600_000), 'rests are bounded');
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    return;
  }
  const said = providerErrorOf(value);
  if (said === null) return;
  const clean = inTime(() => cleanMessage(said.message, request, KEY));
  ensure(clean.length <= 200, 'messages are short');
  ensure(!clean.includes(KEY), 'the key stays');
  for (let at = 0; at + RUN <= PROMPT.length; at += 1) {
    ensure(!clean.includes(PROMPT.slice(at, at + RUN)), `the prompt stays: ${clean}`);
  }
  const code = Number(status.toString()) || 500;
  const failure = inTime(() => failureOfStatus(code, said, clean, rest));
  ensure(!failure.reason.includes(said.message) || said.message.length < 12, 'reasons are ours');
}
