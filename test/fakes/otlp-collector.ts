import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as it came over the wire, its attributes as an object. */
export type CollectedSpan = {
  service: string;
  node: string;
  name: string;
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  startedMs: number;
  endedMs: number;
  /** 2 is an error. */
  status: number | undefined;
  attributes: Record<string, unknown>;
};

type OtlpValue = {
  stringValue?: string;
  intValue?: number | string;
  doubleValue?: number;
  boolValue?: boolean;
  arrayValue?: { values: OtlpValue[] };
};
type OtlpAttributes = { key: string; value: OtlpValue }[];
type OtlpSpan = Omit<CollectedSpan, 'attributes' | 'status'> & {
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: OtlpAttributes;
  status?: { code?: number };
};
type OtlpRequest = {
  resourceSpans: {
    resource: { attributes: OtlpAttributes };
    scopeSpans: { spans: OtlpSpan[] }[];
  }[];
};

export type OtlpCollector = {
  url: string;
  spans: CollectedSpan[];
  requests: { path: string; headers: IncomingHttpHeaders; text: string }[];
  /** From now on: `ok`, an answer that never comes, or this status. */
  behave(how: 'ok' | 'hang' | number): void;
  close(): Promise<void>;
};

/** A collector of OpenTelemetry's protocol over HTTP with JSON, as far as traces go. */
export async function startOtlpCollector(): Promise<OtlpCollector> {
  const spans: CollectedSpan[] = [];
  const requests: OtlpCollector['requests'] = [];
  let behaviour: 'ok' | 'hang' | number = 'ok';
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      requests.push({ path: request.url ?? '', headers: request.headers, text });
      if (behaviour === 'hang') return;
      if (behaviour === 'ok') spans.push(...spansOf(JSON.parse(text) as OtlpRequest));
      response.writeHead(behaviour === 'ok' ? 200 : behaviour, {
        'content-type': 'application/json',
      });
      response.end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    requests,
    behave(how) {
      behaviour = how;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function spansOf({ resourceSpans }: OtlpRequest): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const about = plain(resource.attributes);
    return scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        service: String(about['service.name']),
        node: String(about['service.instance.id']),
        name: span.name,
        kind: span.kind,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        startedMs: Number(span.startTimeUnixNano) / 1e6,
        endedMs: Number(span.endTimeUnixNano) / 1e6,
        status: span.status?.code,
        attributes: plain(span.attributes),
      })),
    );
  });
}

const plain = (attributes: OtlpAttributes): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plainValue(value)]));

const plainValue = ({ stringValue, intValue, doubleValue, boolValue, arrayValue }: OtlpValue) =>
  stringValue ??
  doubleValue ??
  boolValue ??
  (intValue === undefined ? undefined : Number(intValue)) ??
  arrayValue?.values.map((value): unknown => plainValue(value));

/** Every span of a trace as `name` or `name!code`, indented under its parent, in the order of their ends: a wait begins at a rounded time. */
export function treeOf(spans: readonly CollectedSpan[]): string[] {
  const known = new Set(spans.map(({ spanId }) => spanId));
  const sorted = spans.toSorted((a, b) => a.endedMs - b.endedMs);
  const under = (parent: string | undefined, depth: number): string[] =>
    sorted
      .filter(({ parentSpanId }) =>
        parent === undefined
          ? parentSpanId === undefined || !known.has(parentSpanId)
          : parentSpanId === parent,
      )
      .flatMap((span) => {
        const code = span.status === 2 ? `!${String(span.attributes['error.type'])}` : '';
        return [`${'  '.repeat(depth)}${span.name}${code}`].concat(under(span.spanId, depth + 1));
      });
  return under(undefined, 0);
}
