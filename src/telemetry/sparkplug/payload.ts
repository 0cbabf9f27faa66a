import protobuf from 'protobufjs/light.js';

/** Data types of Sparkplug B that we use (specification 3.0, section 6.4.16). */
export const DATA_TYPE = { int64: 4, double: 10, boolean: 11, string: 12 } as const;

export type MetricValue = number | boolean | string | null;
export type Metric = {
  name?: string;
  alias?: number;
  type: keyof typeof DATA_TYPE;
  value: MetricValue;
};

const field = (type: string, id: number, rule?: 'repeated'): protobuf.IField =>
  rule === undefined ? { type, id } : { type, id, rule };

/**
 * The part of the payload's protobuf schema that we use: field names and numbers as there. It is proto2: a
 * zero is sent, where protobufjs would by default leave it out, and `seq` 0 would be missing.
 */
const edition = 'proto2';
const root = protobuf.Root.fromJSON({
  nested: {
    Metric: {
      edition,
      fields: {
        name: field('string', 1),
        alias: field('uint64', 2),
        timestamp: field('uint64', 3),
        datatype: field('uint32', 4),
        isNull: field('bool', 7),
        intValue: field('uint32', 10),
        longValue: field('uint64', 11),
        floatValue: field('float', 12),
        doubleValue: field('double', 13),
        booleanValue: field('bool', 14),
        stringValue: field('string', 15),
      },
    },
    Payload: {
      edition,
      fields: {
        timestamp: field('uint64', 1),
        metrics: field('Metric', 2, 'repeated'),
        seq: field('uint64', 3),
      },
    },
  },
});
const Payload = root.lookupType('Payload');

function valueOf({ type, value }: Metric): Record<string, unknown> {
  if (value === null) return { isNull: true };
  switch (type) {
    case 'int64':
      return { longValue: Math.round(Number(value)) };
    case 'double':
      return { doubleValue: Number(value) };
    case 'boolean':
      return { booleanValue: value };
    case 'string':
      return { stringValue: value };
  }
}

/** A message; a death certificate has no `seq`. */
export function encodePayload(message: {
  timestampMs: number;
  metrics: Metric[];
  seq?: number;
}): Buffer {
  const timestamp = Math.round(message.timestampMs);
  const metrics = message.metrics.map((metric) => ({
    ...(metric.name === undefined ? {} : { name: metric.name }),
    ...(metric.alias === undefined ? {} : { alias: metric.alias }),
    timestamp,
    datatype: DATA_TYPE[metric.type],
    ...valueOf(metric),
  }));
  const fields = { timestamp, metrics, ...(message.seq === undefined ? {} : { seq: message.seq }) };
  return Buffer.from(Payload.encode(Payload.fromObject(fields)).finish());
}

type RawMetric = { name?: string; alias?: number } & Partial<
  Record<'intValue' | 'longValue' | 'floatValue' | 'doubleValue', number>
> & { booleanValue?: boolean; stringValue?: string };

/** What a host commands: metrics by name or alias. Throws when it is no Sparkplug payload. */
export function decodeCommand(
  payload: Uint8Array,
): { name: string | undefined; alias: number | undefined; value: MetricValue }[] {
  const message = Payload.toObject(Payload.decode(payload), { longs: Number }) as {
    metrics?: RawMetric[];
  };
  return (message.metrics ?? []).map((metric) => ({
    name: metric.name,
    alias: metric.alias,
    value:
      metric.booleanValue ??
      metric.doubleValue ??
      metric.floatValue ??
      metric.longValue ??
      metric.intValue ??
      metric.stringValue ??
      null,
  }));
}
