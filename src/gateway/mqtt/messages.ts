import type { IPublishPacket } from 'mqtt';
import { TwowattError } from '../../core/index.ts';
import { decodeText, parseJson, type StateMessage } from '../../protocol/index.ts';
import { readEcho } from './properties.ts';
import type { PromptRoute } from './routes.ts';
import type { InboundPrompt } from '../../service/ports.ts';

/** A packet that may wait: its payload is bounded, and owns its bytes when it was cut. */
export type HeldPacket = IPublishPacket & { payload: Buffer; payloadBytes: number };

const toBuffer = (payload: string | Buffer): Buffer =>
  typeof payload === 'string' ? Buffer.from(payload) : payload;

/** Cuts a payload one byte over the bound; the copy lets the rest of it be freed. */
export function shorten(packet: IPublishPacket, maxPayloadBytes: number): HeldPacket {
  const payload = toBuffer(packet.payload);
  const kept =
    payload.length > maxPayloadBytes
      ? Buffer.from(payload.subarray(0, maxPayloadBytes + 1))
      : payload;
  return { ...packet, payload: kept, payloadBytes: payload.length };
}

export function toInboundPrompt(
  packet: HeldPacket,
  route: PromptRoute,
  waitedMs: number,
): InboundPrompt {
  const { properties } = packet;
  const expiryS = properties?.messageExpiryInterval;
  const responseTopic = properties?.responseTopic;
  const echo = readEcho(properties);
  const traceparent = echo.userProperties?.['traceparent'];
  return {
    kind: 'mqtt',
    ...route,
    ...echo,
    ...(typeof traceparent === 'string' ? { traceparent } : {}),
    payload: packet.payload,
    payloadBytes: packet.payloadBytes,
    ...(responseTopic === undefined ? {} : { responseTopic }),
    ...(expiryS === undefined ? {} : { expiryMs: Math.max(0, expiryS * 1000 - waitedMs) }),
    packetId: packet.messageId ?? 0,
    redelivered: packet.dup,
    topic: packet.topic,
  };
}

/** A payload that must be a JSON object; throws `invalid_request` or `payload_too_large`. */
export function readObject(
  payload: string | Buffer,
  maxPayloadBytes: number,
): Record<string, unknown> {
  const bytes = toBuffer(payload);
  if (bytes.length > maxPayloadBytes) {
    throw new TwowattError(
      'payload_too_large',
      `the payload has ${bytes.length} bytes, at most ${maxPayloadBytes} are taken`,
    );
  }
  let value: unknown;
  try {
    value = parseJson(decodeText(bytes));
  } catch (error) {
    if (error instanceof TwowattError) throw error;
    const why = error instanceof RangeError ? error.message : 'not valid JSON';
    throw new TwowattError('invalid_request', `the payload is ${why}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TwowattError('invalid_request', 'expected a JSON object');
  }
  return value as Record<string, unknown>;
}

const MAX_CANCEL_BYTES = 1024;

/** The id of a cancel; undefined when there is none to be read. */
export function readCancel(payload: string | Buffer): string | undefined {
  try {
    const { id } = readObject(payload, MAX_CANCEL_BYTES);
    return typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}

const MAX_STATE_BYTES = 4096;

/** Somebody else may have written anything there: undefined for what no node would say. */
export function readState(payload: string | Buffer): StateMessage | undefined {
  try {
    const { state, since, instance } = readObject(payload, MAX_STATE_BYTES);
    if (state !== 'online' && state !== 'draining' && state !== 'offline') return undefined;
    return {
      state,
      since: typeof since === 'string' ? since : null,
      instance: typeof instance === 'string' ? instance : '',
    };
  } catch {
    return undefined;
  }
}
