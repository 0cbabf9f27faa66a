import { availableParallelism } from 'node:os';
import type { Config } from '../config/index.ts';
import type { Clock, Logger } from '../core/index.ts';
import { createEngineSupervisor } from '../engine/index.ts';
import type { ModelManifest } from '../protocol/index.ts';
import { prepareModel } from './prepare-model.ts';

/**
 * Node's options for the engine process. Old garbage is collected when the heap has grown by a tenth. Without the optimising compiler it keeps 5 MB less resident;
 * what JavaScript does for each token is nothing at a small vocabulary, but 6 % of a sampled step at
 * 103,424 (docs/performance.md).
 */
function engineFlags({ dimensions }: ModelManifest): string[] {
  const small = dimensions.vocab <= 32_768;
  return ['--max-semi-space-size=1', '--heap-growing-percent=10', ...(small ? ['--no-opt'] : [])];
}

/** Finds (or converts) the model and builds an engine for it, not yet started. */
export async function prepareEngine(
  config: Config,
  clock: Clock,
  logger: Logger,
  signal: AbortSignal,
) {
  const { folder, manifest, gate, notes } = await prepareModel(
    {
      path: config.model.path,
      cacheFolder: config.model.cache_path,
      form: config.model.dtype,
      contextTokens: config.model.context_tokens,
      procRoot: config.hardware.proc_root,
    },
    signal,
  );
  for (const note of notes) logger.warn({ folder }, note);
  logger.info({ folder, digest: manifest.digest, gate: gate !== null }, 'model found');
  const engine = createEngineSupervisor({
    modelFolder: folder,
    facts: {
      id: manifest.id,
      digest: manifest.digest,
      architecture: manifest.architecture,
      form: manifest.form,
      parameters: manifest.parameters,
      contextTokens: Math.min(manifest.dimensions.contextTokens, config.model.context_tokens),
    },
    contextTokens: config.model.context_tokens,
    threads: config.engine.threads || availableParallelism(),
    stepTimeoutMs: config.engine.step_timeout_s * 1000,
    modelBytes: manifest.files.reduce((sum, { bytes }) => sum + bytes, 0),
    execArgv: engineFlags(manifest),
    logger,
    clock,
  });
  return { engine, manifest, folder, gate };
}
