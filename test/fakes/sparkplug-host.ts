import { createRequire } from 'node:module';

type HostMetric = {
  name?: string;
  alias?: unknown;
  type: string;
  value: unknown;
  isNull?: boolean;
};
type HostPayload = { timestamp?: unknown; seq?: unknown; metrics?: HostMetric[] };
type Codec = {
  encodePayload(payload: HostPayload): Uint8Array;
  decodePayload(bytes: Uint8Array): HostPayload;
};

/** Eclipse Tahu's own codec: what a SCADA host would read and write. */
const sparkplug = createRequire(import.meta.url)('sparkplug-payload') as {
  get(namespace: 'spBv1.0'): Codec;
};
const codec = sparkplug.get('spBv1.0');

export type HostMessage = {
  /** Number, or undefined in a death certificate. */
  seq: number | undefined;
  timestampMs: number;
  metrics: { name: string | undefined; alias: number | undefined; type: string; value: unknown }[];
  /** The value of a metric by name or alias; undefined when it is not in the message. */
  value(nameOrAlias: string | number): unknown;
};

const plain = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'toNumber' in value
    ? (value as { toNumber(): number }).toNumber()
    : value;

export function readAsHost(payload: Buffer): HostMessage {
  const { timestamp, seq, metrics = [] } = codec.decodePayload(payload);
  const read = metrics.map(({ name, alias, type, value }) => ({
    name: name === '' ? undefined : name,
    alias: alias === undefined || alias === null ? undefined : Number(plain(alias)),
    type,
    value: plain(value),
  }));
  return {
    seq: seq === undefined || seq === null ? undefined : Number(plain(seq)),
    timestampMs: Number(plain(timestamp)),
    metrics: read,
    value: (wanted) =>
      read.find(({ name, alias }) => (typeof wanted === 'string' ? name : alias) === wanted)?.value,
  };
}

export const writeAsHost = (name: string, type: 'Boolean' | 'Double', value: unknown): Buffer =>
  Buffer.from(codec.encodePayload({ timestamp: 1, metrics: [{ name, type, value }] }));
