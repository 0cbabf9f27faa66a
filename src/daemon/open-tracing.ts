import { collectorHeaders, type Config } from '../config/index.ts';
import { type Clock, type Logger, noTracing, packageVersion, type Tracing } from '../core/index.ts';

/** Tracing as configured; without a collector nothing of OpenTelemetry is loaded. */
export async function openTracing(
  { tracing, node }: Config,
  clock: Clock,
  logger: Logger,
): Promise<Tracing> {
  if (tracing.endpoint === '') return noTracing;
  const { createTracing } = await import('../tracing/index.ts');
  return createTracing({
    endpoint: tracing.endpoint,
    headers: collectorHeaders(tracing, process.env),
    sampleRatio: tracing.sample_ratio,
    resource: {
      'service.name': 'twowatt',
      'service.version': packageVersion(),
      'service.instance.id': node.id,
    },
    clock,
    logger,
    random: Math.random,
  });
}
