import type { IPublishPacket } from 'mqtt';
import { type Logger, TwowattError, toTwowattError } from '../../core/index.ts';
import {
  nodeTopics,
  replyTopicProblem,
  type Verb,
  type VerbResponse,
  VERBS,
} from '../../protocol/index.ts';
import type { Outgoing } from './connection.ts';
import { readObject } from './messages.ts';
import { readEcho, writeProperties } from './properties.ts';
import type { MqttGatewayHandlers, MqttGatewayOptions } from './types.ts';

/** Requests run side by side, so that a `ping` is answered during a `model.pull`. */
const MAX_RUNNING = 8;

/**
 * A topic has at most 65,535 bytes and `response/` is longer than `request/`: an answer to a name that
 * fills its topic would be a packet that ends the connection.
 */
const LONGEST_NAME = 128;

const isVerb = (name: string): name is Verb => (VERBS as readonly string[]).includes(name);

/**
 * `request/{verb}` → `response/{verb}`, or the request's Response Topic. At most once: a response
 * that meets no connection is lost, and the caller asks again.
 */
export function createRequests(
  options: Pick<MqttGatewayOptions, 'baseTopic' | 'node' | 'maxPayloadBytes'>,
  onVerb: MqttGatewayHandlers['onVerb'],
  send: (message: Outgoing) => void,
  logger: Logger,
): (verb: string, packet: IPublishPacket) => void {
  const topics = nodeTopics(options.baseTopic, options.node);
  let running = 0;

  const run = async (verb: string, body: Record<string, unknown>): Promise<unknown> => {
    if (!isVerb(verb)) {
      throw new TwowattError('unsupported', `there is no request of this name`, { param: 'verb' });
    }
    if (running >= MAX_RUNNING) {
      throw new TwowattError('rate_limited', `${MAX_RUNNING} requests are running`, {
        retryAfterMs: 1000,
      });
    }
    const { transaction: _, ...args } = body;
    running += 1;
    try {
      return await onVerb(verb, args);
    } finally {
      running -= 1;
    }
  };

  const answer = async (verb: string, packet: IPublishPacket): Promise<void> => {
    let replyTopic = topics.response(verb);
    let transaction: unknown = null;
    let response: VerbResponse;
    try {
      const body = readObject(packet.payload, options.maxPayloadBytes);
      transaction = body['transaction'] ?? null;
      const asked = packet.properties?.responseTopic;
      if (asked !== undefined) {
        const problem = replyTopicProblem(asked, options.baseTopic);
        if (problem !== undefined) {
          throw new TwowattError('invalid_request', `response topic: ${problem}`, {
            param: 'reply_to',
          });
        }
        replyTopic = asked;
      }
      response = { transaction, status: 'ok', data: (await run(verb, body)) ?? null };
    } catch (error) {
      const coded = toTwowattError(error);
      if (coded.code === 'internal') {
        logger.error({ verb, error: coded.message }, 'a request failed');
      }
      response = { transaction, status: 'error', error: coded.toBody() };
    }
    send({
      topic: replyTopic,
      payload: JSON.stringify(response),
      qos: 1,
      retain: false,
      properties: writeProperties('application/json', readEcho(packet.properties)),
    });
  };

  return (verb, packet) => {
    if (verb.length > LONGEST_NAME) {
      logger.debug({ length: verb.length }, 'ignored a request with an endless name');
      return;
    }
    answer(verb, packet).catch((error: unknown) => {
      logger.error({ verb, error: String(error) }, 'a response could not be sent');
    });
  };
}
