import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { belongsToTarget, LEFT_OUT } from './contents.ts';
import type { Target } from './target.ts';

/** One package of the lockfile; `path` is its place below the checkout (`node_modules/…`). */
export type LockedPackage = {
  name: string;
  path: string;
  version: string;
  integrity: string;
};

type LockEntry = {
  version: string;
  integrity?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
};

/**
 * The packages that the target runs with: from the production dependencies on, through the lockfile,
 * without what `contents.ts` leaves out and what only that would have brought.
 */
export function productionPackages(checkout: string, target: Target): LockedPackage[] {
  const lock = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockEntry>;
  };
  const found = new Map<string, LockedPackage>();

  const visit = (path: string): void => {
    const entry = lock.packages[path];
    if (entry === undefined || found.has(path)) return;
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (path !== '') {
      const { version, integrity } = entry;
      if (integrity === undefined) throw new Error(`package-lock.json: ${path} has no integrity`);
      found.set(path, { name, path, version, integrity });
    }
    for (const needed of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })) {
      if (needed in LEFT_OUT || !belongsToTarget(needed, target)) continue;
      const place = placeOf(lock.packages, path, needed);
      if (place !== undefined) visit(place);
    }
  };
  visit('');
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** As Node looks for it: in the package's own node_modules, then in those above. */
function placeOf(
  packages: Record<string, LockEntry>,
  from: string,
  name: string,
): string | undefined {
  let here = from;
  for (;;) {
    const candidate = `${here === '' ? '' : `${here}/`}node_modules/${name}`;
    if (candidate in packages) return candidate;
    if (here === '') return undefined;
    const up = here.lastIndexOf('/node_modules/');
    here = up < 0 ? '' : here.slice(0, up);
  }
}
