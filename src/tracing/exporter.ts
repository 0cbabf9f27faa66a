import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  type IdGenerator,
  type SpanExporter,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { type Clock, type Logger, sleep } from '../core/index.ts';

/** Ended spans that wait for the collector, about 1 KB each; further ones are dropped. */
const MOST_WAITING = 1024;
const BATCH = 128;
const BATCH_DELAY_MS = 2000;
/** For one batch, retries included: a collector that is away must not hold up the end of the process. */
const EXPORT_TIMEOUT_MS = 3000;
const CLOSE_MS = 2000;

export type ExportOptions = {
  endpoint: string;
  headers: Record<string, string>;
  /** Of this program: `service.name` and the like. */
  resource: Record<string, string>;
  clock: Clock;
  logger: Logger;
};

/** OpenTelemetry's tracer in front of its OTLP exporter. All that it is handed is recorded: who samples stands before it. */
export function createExport(idGenerator: IdGenerator, options: ExportOptions) {
  const exporter = new OTLPTraceExporter({
    url: tracesUrl(options.endpoint),
    headers: options.headers,
    timeoutMillis: EXPORT_TIMEOUT_MS,
  });
  const provider = new TracerProvider({
    resource: resourceFromAttributes(options.resource),
    sampler: new AlwaysOnSampler(),
    idGenerator,
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: toldOf(exporter, options.logger),
        maxQueueSize: MOST_WAITING,
        maxExportBatchSize: BATCH,
        scheduledDelayMillis: BATCH_DELAY_MS,
        exportTimeoutMillis: EXPORT_TIMEOUT_MS,
      }),
    ],
  });
  return {
    tracer: provider.getTracer('twowatt'),
    async close() {
      const flushed = provider.shutdown().catch(() => {
        // A collector that is away has been told of, and nothing is kept for it.
      });
      await Promise.race([flushed, sleep(options.clock, CLOSE_MS)]);
    },
  };
}

/** OTLP's base address may stand without the path of its traces. */
function tracesUrl(endpoint: string): string {
  const url = new URL(endpoint);
  if (url.pathname === '/') url.pathname = '/v1/traces';
  return url.toString();
}

/** Says once that spans get lost, and once that they no longer do. */
function toldOf(exporter: SpanExporter, logger: Logger): SpanExporter {
  let failing = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const { error } = result;
        if (error !== undefined && !failing) {
          // Not its message, which may quote what the collector said.
          const reason = 'code' in error ? error.code : error.name;
          logger.warn({ reason }, 'traces cannot be exported; they are dropped until they can');
        }
        if (error === undefined && failing) logger.info({}, 'traces are exported again');
        failing = error !== undefined;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
}
