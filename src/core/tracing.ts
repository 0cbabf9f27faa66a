/** What a span may tell: counts, codes and names of ours; never what people wrote. Null is left out. */
export type SpanAttributes = Readonly<
  Record<string, string | number | boolean | readonly string[] | null | undefined>
>;

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';

/** A place in a trace under which work goes on: here, in a later life of the daemon, or elsewhere. */
export interface SpanParent {
  /** What whoever goes on with it is told (W3C Trace Context); null while nothing is traced. */
  readonly traceparent: string | null;
  /** Begins a span, now or at `fromMs` (monotonic). One that is never ended leaves no trace. */
  child(name: string, options?: { kind?: SpanKind; fromMs?: number }): Span;
}

export interface Span extends SpanParent {
  /** Once, now or at `atMs` (monotonic). `error` is a code of ours. Never throws, never waits. */
  end(facts?: { attributes?: SpanAttributes; error?: string; atMs?: number }): void;
}

/** A prompt's own span, before it has ended: kept with the prompt, so that a restart can still end it. */
export type TraceOrigin = {
  traceparent: string;
  /** Whose work it is a part of: what the client sent; null begins a trace. */
  parent: string | null;
  /** Of the receipt, milliseconds since 1970. */
  startedMs: number;
};

/** Where traces go; the daemon hands in one that exports, or `noTracing`. */
export interface Tracing {
  /** A prompt has come, now. `parent`: the client's `traceparent`, unchecked. Null: nothing is traced. */
  begin(parent: string | undefined): TraceOrigin | null;
  /** The span that `begin` has named. */
  prompt(origin: TraceOrigin | null | undefined, kind: SpanKind): Span;
  under(traceparent: string | null | undefined): SpanParent;
  /** Sends what is left, within a short time. */
  close(): Promise<void>;
}

/** The span of work that nobody traces. */
export const noSpan: Span = { traceparent: null, child: () => noSpan, end() {} };

export const noTracing: Tracing = {
  begin: () => null,
  prompt: () => noSpan,
  under: () => noSpan,
  async close() {},
};
