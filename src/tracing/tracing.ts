import { randomBytes } from 'node:crypto';
import {
  type HrTime,
  ROOT_CONTEXT,
  SpanKind as OtelKind,
  SpanStatusCode,
  trace,
  TraceFlags,
} from '@opentelemetry/api';
import {
  type Clock,
  noSpan,
  type Span,
  type SpanAttributes,
  type SpanKind,
  type SpanParent,
  type TraceOrigin,
  type Tracing,
} from '../core/index.ts';
import { createExport, type ExportOptions } from './exporter.ts';
import { formatTraceparent, parseTraceparent, type SpanContext } from './traceparent.ts';

export type TracingOptions = ExportOptions & {
  /** Share of the traces that begin here which are recorded; one that a client began is its choice. */
  sampleRatio: number;
  /** Uniform in [0, 1). */
  random: () => number;
};

/** The wall clock may be set while we run; a smaller difference is rounding, and would mix up short spans. */
const CLOCK_STEP_MS = 50;

/** Unsampled traces cost an id for each prompt, and are told on as such. */
export function createTracing(options: TracingOptions): Tracing {
  const toWall = wallTime(options.clock);
  let ids = { traceId: '', spanId: '' };
  const exporting = createExport(
    { generateTraceId: () => ids.traceId, generateSpanId: () => ids.spanId },
    options,
  );

  /** OpenTelemetry hears of a span when it has ended: it may have begun in an earlier life of the daemon. */
  function open(place: Place, startedMs: number): Span {
    let ended = false;
    return {
      ...under(place.context),
      end({ attributes = {}, error, atMs } = {}) {
        if (ended || !place.context.sampled) return;
        ended = true;
        ids = place.context;
        const span = exporting.tracer.startSpan(
          place.name,
          {
            kind: OTEL_KINDS[place.kind],
            startTime: hrTime(startedMs),
            attributes: otelAttributes(attributes),
          },
          place.parent === null
            ? ROOT_CONTEXT
            : trace.setSpanContext(ROOT_CONTEXT, {
                ...place.parent,
                traceFlags: TraceFlags.SAMPLED,
              }),
        );
        if (error !== undefined) {
          span.setAttribute('error.type', error);
          span.setStatus({ code: SpanStatusCode.ERROR, message: error });
        }
        span.end(hrTime(Math.max(startedMs, toWall(atMs))));
      },
    };
  }

  function under(parent: SpanContext): SpanParent {
    const { traceId, sampled } = parent;
    return {
      traceparent: formatTraceparent(parent),
      child: (name, { kind = 'internal', fromMs } = {}) =>
        open(
          { name, kind, parent, context: { traceId, spanId: newSpanId(), sampled } },
          toWall(fromMs),
        ),
    };
  }

  return {
    begin(given) {
      const parent = given === undefined ? null : parseTraceparent(given);
      const { traceId, sampled } = parent ?? {
        traceId: randomBytes(16).toString('hex'),
        sampled: options.random() < options.sampleRatio,
      };
      return {
        traceparent: formatTraceparent({ traceId, spanId: newSpanId(), sampled }),
        parent: parent === null ? null : formatTraceparent(parent),
        startedMs: toWall(),
      };
    },
    prompt(origin, kind) {
      const place = origin && placeOf(origin, kind);
      return place ? open(place, origin.startedMs) : noSpan;
    },
    under(traceparent) {
      const parent = traceparent ? parseTraceparent(traceparent) : null;
      return parent === null ? noSpan : under(parent);
    },
    close: () => exporting.close(),
  };
}

type Place = {
  name: string;
  kind: SpanKind;
  context: SpanContext;
  parent: (SpanContext & { isRemote?: boolean }) | null;
};

function placeOf({ traceparent, parent }: TraceOrigin, kind: SpanKind): Place | null {
  const context = parseTraceparent(traceparent);
  if (context === null) return null;
  const above = parent === null ? null : parseTraceparent(parent);
  return { name: 'prompt', kind, context, parent: above && { ...above, isRemote: true } };
}

const newSpanId = () => randomBytes(8).toString('hex');

/** Milliseconds since 1970 of a monotonic time, of now without one. */
function wallTime(clock: Clock): (atMs?: number) => number {
  let offset = Number.NaN;
  return (atMs = clock.monotonicMs()) => {
    const now = clock.wallMs() - clock.monotonicMs();
    if (!(Math.abs(now - offset) <= CLOCK_STEP_MS)) offset = now;
    return atMs + offset;
  };
}

/** Seconds and nanoseconds: OpenTelemetry takes a plain number from before its process for a duration. */
function hrTime(wallMs: number): HrTime {
  const seconds = Math.floor(wallMs / 1000);
  return [seconds, Math.floor((wallMs - seconds * 1000) * 1e6)];
}

function otelAttributes(attributes: SpanAttributes) {
  return Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) =>
      value === null || value === undefined
        ? []
        : [[name, typeof value === 'object' ? [...value] : value] as const],
    ),
  );
}

const OTEL_KINDS: Record<SpanKind, OtelKind> = {
  internal: OtelKind.INTERNAL,
  server: OtelKind.SERVER,
  client: OtelKind.CLIENT,
  producer: OtelKind.PRODUCER,
  consumer: OtelKind.CONSUMER,
};
