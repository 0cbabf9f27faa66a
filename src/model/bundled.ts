import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GATE_FILE, type ModelManifest } from '../protocol/index.ts';
import { ModelError } from './errors.ts';
import { readJsonObjectIfThere } from './json-file.ts';

/** The small trained model that comes with the package; src/model and dist/model lie equally deep. */
export function bundledModelFolder(): string {
  return fileURLToPath(new URL('../../models/twowatt-nano', import.meta.url));
}

/**
 * What is wrong with a conversion of the bundled model: its gate names the digest of the files that were
 * shipped, so weights that a bad card has changed are known before they answer anything.
 */
export function bundledFault(
  { sourceDigest }: Pick<ModelManifest, 'sourceDigest'>,
  folder: string = bundledModelFolder(),
): ModelError | undefined {
  const shipped = readJsonObjectIfThere(join(folder, GATE_FILE), 'bad_gate')?.['sourceDigest'];
  if (shipped === undefined || shipped === sourceDigest) return undefined;
  return new ModelError(
    'corrupt',
    'model.path',
    'the files of the bundled model are not those that were shipped; install twowatt again',
  );
}
