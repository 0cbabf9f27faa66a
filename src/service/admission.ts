import { createHash } from 'node:crypto';
import {
  isClientId,
  newId,
  type TraceOrigin,
  TwowattError,
  toTwowattError,
} from '../core/index.ts';
import {
  decodePromptPayload,
  decodeText,
  parsePrompt,
  type Privacy,
  promptFromText,
  replyTopicProblem,
  strictestPrivacy,
  toPrivacy,
} from '../protocol/index.ts';
import type { NewPrompt, ReplyAddress } from '../queue/types.ts';
import type { InboundPrompt } from './ports.ts';
import { knowBody, type PrivacySource, type PromptBody } from './stored-body.ts';

/** How long a prompt that only the cloud may answer waits for it, unless it says otherwise. */
const CLOUD_DEADLINE_MS = 300_000;

export type AdmissionRules = {
  node: string;
  baseTopic: string;
  maxPayloadBytes: number;
  /** Some cloud endpoint is configured. */
  hasCloud: boolean;
  privacyDefault: Privacy;
  /** Topic filters (MQTT wildcards allowed) and the label that prompts on them get at least. */
  privacyTopics: readonly { topic: string; privacy: Privacy }[];
};

export type Admission =
  | { kind: 'prompt'; prompt: NewPrompt; body: PromptBody }
  | { kind: 'refused'; id: string; reply: ReplyAddress; error: TwowattError };

/** Reads a message as far as possible, so that even a refusal reaches whoever asked. `trace`: null when nothing is traced. */
export function admit(
  inbound: InboundPrompt,
  rules: AdmissionRules,
  trace: TraceOrigin | null,
): Admission {
  const address = (topic: string): ReplyAddress => ({
    kind: inbound.kind,
    topic,
    format: inbound.format,
    correlation: inbound.correlation,
    // Whoever gets the answer goes on from this node's span, not from the client's.
    userProperties:
      trace === null
        ? inbound.userProperties
        : { ...inbound.userProperties, traceparent: trace.traceparent },
  });
  const topicProblem = (topic: string) => replyTopicProblem(topic, rules.baseTopic);

  const correlationId = idFromCorrelation(inbound.correlation);
  let id = correlationId;
  let replyTo: string | undefined;
  try {
    if (inbound.payloadBytes > rules.maxPayloadBytes) {
      throw new TwowattError(
        'payload_too_large',
        `the payload has ${inbound.payloadBytes} bytes, at most ${rules.maxPayloadBytes} are taken`,
      );
    }
    const raw =
      inbound.format === 'text'
        ? { text: decodeText(inbound.payload) }
        : decodePromptPayload(inbound.payload);
    if ('json' in raw) {
      // Read before the rest is checked, so that an error about another field finds its way back.
      const head = raw.json as { id?: unknown; reply_to?: unknown };
      if (isClientId(head.id)) id = head.id;
      if (typeof head.reply_to === 'string') replyTo = head.reply_to;
    }
    if (inbound.kind === 'http' && replyTo !== undefined) {
      throw new TwowattError(
        'invalid_request',
        'reply_to: an answer over HTTP goes back on its own connection',
        { param: 'reply_to' },
      );
    }
    const wanted = inbound.responseTopic ?? replyTo;
    const problem = wanted === undefined ? undefined : topicProblem(wanted);
    if (problem !== undefined) {
      throw new TwowattError('invalid_request', `reply_to: the reply topic ${problem}`, {
        param: 'reply_to',
      });
    }
    const asked = 'json' in raw ? parsePrompt(raw.json) : promptFromText(raw.text);
    const labels: { source: PrivacySource; label: Privacy | undefined }[] = [
      { source: 'message', label: asked.privacy },
      ...rules.privacyTopics
        .filter((rule) => topicMatches(rule.topic, inbound.topic))
        .map((rule) => ({ source: 'topic' as const, label: toPrivacy(rule.privacy) })),
      { source: 'config', label: rules.privacyDefault },
    ];
    const privacy = strictestPrivacy(...labels.map(({ label }) => label));
    if (asked.route === 'cloud') {
      if (privacy === 'local') {
        throw new TwowattError(
          'privacy_blocked',
          'the prompt is local, so route cloud cannot serve it',
          { param: 'privacy' },
        );
      }
      if (!rules.hasCloud) {
        throw new TwowattError(
          'cloud_unavailable',
          'route: no cloud endpoint is configured (cloud.endpoints)',
          { param: 'route' },
        );
      }
    }
    const finalId = id ?? newId();
    const body: PromptBody = {
      generate: asked.generate,
      stream: asked.stream && inbound.format === 'frames',
      route: asked.route,
      model: asked.model,
      privacy,
      privacyFrom: labels.find(({ label }) => label === privacy)?.source ?? 'config',
      hops: inbound.hops ?? 0,
      escalatesMidStream: inbound.escalatesMidStream ?? true,
      ...(trace === null ? {} : { trace }),
    };
    const prompt: NewPrompt = {
      id: finalId,
      idGenerated: id === undefined,
      reply: address(wanted ?? inbound.defaultReplyTopic(finalId)),
      bodyHash: createHash('sha256').update(inbound.payload).digest('hex'),
      body: JSON.stringify(body),
      session: asked.session ?? null,
      priority: asked.priority,
      deadlineMs:
        smaller(asked.deadlineMs, inbound.expiryMs) ??
        (asked.route === 'cloud' ? CLOUD_DEADLINE_MS : null),
      delivery:
        inbound.packetId === undefined
          ? null
          : { packetId: inbound.packetId, redelivered: inbound.redelivered },
    };
    return { kind: 'prompt', body, prompt: knowBody(prompt, body) };
  } catch (error) {
    const usable =
      inbound.kind === 'http'
        ? undefined
        : [inbound.responseTopic, replyTo].find(
            (topic) => topic !== undefined && topicProblem(topic) === undefined,
          );
    const fallback = id === undefined ? inbound.invalidReplyTopic : inbound.defaultReplyTopic(id);
    return {
      kind: 'refused',
      id: id ?? 'invalid',
      reply: address(usable ?? fallback),
      error: toTwowattError(error),
    };
  }
}

/** Correlation Data stands in for an id when it has an id's form. */
function idFromCorrelation(correlation: string | null): string | undefined {
  if (correlation === null) return undefined;
  const text = Buffer.from(correlation, 'base64').toString('latin1');
  return isClientId(text) ? text : undefined;
}

function smaller(a: number | undefined, b: number | undefined): number | null {
  if (a === undefined) return b ?? null;
  return b === undefined ? a : Math.min(a, b);
}

/** MQTT topic filter matching (MQTT 5, section 4.7): `+` is one level, a last `#` any number. */
export function topicMatches(filter: string, topic: string): boolean {
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true;
    if (index >= levels.length || (level !== '+' && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}
