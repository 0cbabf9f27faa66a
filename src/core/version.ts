import { readFileSync } from 'node:fs';

/** package.json lies two folders up from `src/core` and from `dist/core`. */
function ownPackage(): { version: string; engines: { node: string } } {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return JSON.parse(text) as { version: string; engines: { node: string } };
}

export const packageVersion = (): string => ownPackage().version;

/** The least version of Node that this package runs on, for example `22.13`. */
export const leastNodeVersion = (): string => ownPackage().engines.node.replace(/^>=\s*/, '');
