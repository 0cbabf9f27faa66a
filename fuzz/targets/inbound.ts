import { isClientId } from '../../src/core/index.ts';
import {
  readCancel,
  readObject,
  readState,
  shorten,
  toInboundPrompt,
} from '../../src/gateway/mqtt/messages.ts';
import { readEcho } from '../../src/gateway/mqtt/properties.ts';
import { createRouter } from '../../src/gateway/mqtt/routes.ts';
import { replyTopicProblem } from '../../src/protocol/index.ts';
import { admit } from '../../src/service/admission.ts';
import { codedOnly, ensure, joined, pieces } from '../expect.ts';

/** A whole MQTT message: topic, Response Topic, Correlation Data, user properties, payload. */
export const name = 'inbound';

const BASE = 'twowatt/v1';
const MOST_BYTES = 4096;
const routeOf = createRouter({ baseTopic: BASE, node: 'board', pools: ['kitchen'] });

export const seeds = () => [
  joined(`${BASE}/board/prompt`, 'a/b', '42', 'k\u0001v', '{"prompt":"x","reply_to":"c/d"}'),
  joined(`${BASE}/board/prompt/text`, '', '', '', '{ not json'),
  joined(
    `${BASE}/pool/kitchen/prompt`,
    `${BASE}/other/request/restart`,
    '',
    '__proto__\u0001x',
    'x',
  ),
  joined(`${BASE}/board/cancel`, '', '', '', '{"id":"42"}'),
  joined(`${BASE}/board/request/config.set`, '', '', '', '{"transaction":1,"set":{"node.id":"x"}}'),
  joined(`${BASE}/board/state`, '', '', '', '{"state":"offline","since":null,"instance":"x"}'),
  joined(
    `${BASE}/pool/old/prompt`,
    '$SYS/x',
    'text',
    'a\u0001b\u0001c\u0001d',
    '{"id":"../x","prompt":""}',
  ),
  joined(`${BASE}/board/prompt`, 'a/+/#', '\u0000', '', '{"id":"ok","prompt":7}'),
];

function userProperties(text: string): Record<string, string | string[]> {
  const words = text.split('\u0001');
  const properties = Object.create(null) as Record<string, string[]>;
  for (let at = 0; at + 1 < words.length; at += 2) {
    (properties[words[at] ?? ''] ??= []).push(words[at + 1] ?? '');
  }
  return properties;
}

export function fuzz(data: Buffer): void {
  const [topic, response, correlation, pairs, payload] = pieces(data, 5) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  codedOnly(() => readObject(payload, MOST_BYTES));
  const cancelled = readCancel(payload);
  ensure(cancelled === undefined || typeof cancelled === 'string', 'a cancel names an id');
  readState(payload);
  // A broker hands out neither: MQTT 5, section 1.5.4.
  if (topic.includes(0) || response.includes(0)) return;
  const packet = {
    cmd: 'publish' as const,
    topic: topic.toString(),
    payload,
    qos: 1 as const,
    dup: false,
    retain: false,
    messageId: 1,
    properties: {
      ...(response.length === 0 ? {} : { responseTopic: response.toString() }),
      correlationData: correlation,
      userProperties: userProperties(pairs.toString()),
    },
  };
  const echo = readEcho(packet.properties);
  ensure(JSON.stringify(echo).length < 64 * 1024, 'what is echoed is bounded');
  const route = routeOf(packet.topic);
  if (route.kind !== 'prompt') return;
  const inbound = toInboundPrompt(shorten(packet, MOST_BYTES), route.prompt, 0);
  const rules = {
    node: 'board',
    baseTopic: BASE,
    maxPayloadBytes: MOST_BYTES,
    hasCloud: true,
    privacyDefault: 'redact' as const,
    privacyTopics: [{ topic: '+/v1/#', privacy: 'local' as const }],
  };
  const admission = admit(inbound, rules, null);
  const { reply } = admission.kind === 'prompt' ? admission.prompt : admission;
  ensure(replyTopicProblem(reply.topic, BASE) === undefined, `may be published to: ${reply.topic}`);
  const id = admission.kind === 'prompt' ? admission.prompt.id : admission.id;
  ensure(isClientId(id) || (admission.kind === 'refused' && id === 'invalid'), 'ids are ids');
  if (admission.kind === 'refused') {
    ensure(admission.error.code !== 'internal', `refused with ${admission.error.message}`);
  } else {
    ensure(admission.body.privacy === 'local', 'the topic rule holds');
  }
}
