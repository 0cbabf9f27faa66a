import { TwowattError } from '../../src/core/index.ts';
import { createGuard, readHops } from '../../src/gateway/http/guard.ts';
import { readPromptRequest } from '../../src/gateway/http/openai-request.ts';
import { decodePromptPayload, parsePrompt } from '../../src/protocol/index.ts';
import { codedOnly, ensure, inTime, joined, pieces } from '../expect.ts';

/** An HTTP request: its body at both endpoints, and the headers that decide who may ask. */
export const name = 'http';

const TOKEN = 'the right token';
const open = createGuard({ host: '0.0.0.0', token: TOKEN, allowedHosts: [] });
const local = createGuard({ host: '127.0.0.1', token: undefined, allowedHosts: ['board.example'] });

export const seeds = () => [
  joined(
    `Bearer ${TOKEN}`,
    'localhost:8470',
    '',
    '2',
    '{"messages":[{"role":"user","content":"x"}]}',
  ),
  joined(
    'bearer  wrong',
    '[::1]:8470',
    'http://localhost:8470',
    '',
    '{"prompt":"x","logprobs":2,"stream":true,"stream_options":{"include_usage":true}}',
  ),
  joined(
    `Bearer${' '.repeat(200)}\u00a0`,
    'board.example',
    'null',
    '99',
    '{"messages":[{"role":"developer","content":[{"type":"text","text":"a"}]},{"role":"tool","content":null}]}',
  ),
  joined(
    'Basic eDp5',
    '127.1.2.3',
    'http://evil.example',
    '-1',
    '{"prompt":["a"],"best_of":2,"echo":true,"suffix":"x","id":"a"}',
  ),
];

/** Whether `check` lets the request pass; anything but a coded refusal is a finding. */
function passes(check: () => void): boolean {
  try {
    inTime(check);
    return true;
  } catch (error) {
    if (error instanceof TwowattError && error.code !== 'internal') return false;
    throw error;
  }
}

export function fuzz(data: Buffer): void {
  const [authorization, host, origin, hops, body] = pieces(data, 5).map((part, at) =>
    // Node hands headers over as latin1.
    at < 4 ? part.toString('latin1') : part,
  ) as [string, string, string, string, Buffer];
  if (passes(() => open.checkToken({ authorization }))) {
    ensure(/^bearer +the right token *$/i.test(authorization), 'only the token opens');
  }
  if (passes(() => local.checkSource({ host, ...(origin === '' ? {} : { origin }) }))) {
    ensure(
      /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?|board\.example)(:\d+)?$/i.test(host),
      `only our own names are answered: ${host}`,
    );
    ensure(origin === '' || origin.toLowerCase().includes(host.toLowerCase()), 'own pages only');
  }
  codedOnly(() => readHops({ 'twowatt-hops': hops }));
  for (const endpoint of ['chat', 'completions'] as const) {
    const request = codedOnly(() => readPromptRequest(endpoint, body));
    if (request === undefined) continue;
    codedOnly(() => {
      const decoded = decodePromptPayload(request.payload);
      ensure('json' in decoded, 'what goes on is JSON');
      return parsePrompt(decoded.json);
    });
  }
}
