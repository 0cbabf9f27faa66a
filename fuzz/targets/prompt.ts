import { isClientId } from '../../src/core/index.ts';
import { decodePromptPayload, parsePrompt, promptFromText } from '../../src/protocol/index.ts';
import { codedOnly, ensure } from '../expect.ts';

/** The prompt message as any device may send it: JSON or bare text. */
export const name = 'prompt';

export const seeds = () => [
  'what is MQTT',
  '{"messages":[{"role":"user","content":"打开书房的台灯"}]}',
  '\uFEFF {"prompt":"a","max_tokens":1,"temperature":2,"top_p":0.1,"top_k":5,"min_p":0,"seed":-1}',
  '{"id":"a.b:c_d-e","session":"s","stream":true,"stop":["a","b"],"logprobs":true,"top_logprobs":20,"messages":[{"role":"system","content":""}]}',
  '{"prompt":"x","route":"cloud","privacy":"redact","deadline_ms":1e9,"priority":9,"reply_to":"a/b"}',
  '{"messages":null,"prompt":null,"tools":[],"n":1,"response_format":{"type":"json_object"}}',
  '{"__proto__":{"stream":true},"constructor":{"prototype":1},"prompt":"x"}',
  '{"messages":[{"role":"user","content":"x"}],"stream_options":{"include_usage":true},"modalities":["audio"]}',
  `{"prompt":${'['.repeat(200)}`,
];

export function fuzz(data: Buffer): void {
  const decoded = codedOnly(() => decodePromptPayload(data));
  if (decoded === undefined) return;
  const prompt = codedOnly(() =>
    'json' in decoded ? parsePrompt(decoded.json) : promptFromText(decoded.text),
  );
  if (prompt === undefined) return;
  const { generate, id, session, priority, deadlineMs } = prompt;
  ensure((generate.messages === undefined) !== (generate.prompt === undefined), 'one of both');
  ensure(id === undefined || isClientId(id), 'ids are topic levels');
  ensure(session === undefined || isClientId(session), 'sessions have the form of ids');
  ensure(priority >= 0 && priority <= 9, 'priority is one digit');
  ensure(deadlineMs === undefined || deadlineMs >= 1, 'deadlines lie ahead');
  ensure(generate.maxTokens >= 1 && generate.stop.length <= 8, 'bounded answers');
}
