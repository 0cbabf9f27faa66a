import { readFileSync } from 'node:fs';

/** The package's own version; package.json lies two folders up from `src/core` and from `dist/core`. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
