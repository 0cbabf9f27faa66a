import { fileURLToPath } from 'node:url';

/** The small trained model that comes with the package; src/model and dist/model lie equally deep. */
export function bundledModelFolder(): string {
  return fileURLToPath(new URL('../../models/twowatt-nano', import.meta.url));
}
