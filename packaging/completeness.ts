import { existsSync, readFileSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { belongsToTarget, LEFT_OUT, OPTIONAL_HELPERS } from './contents.ts';
import type { Target } from './target.ts';

const SPECIFIER =
  /(?:\brequire\(\s*|\bimport\(\s*|\bfrom\s*|^\s*import\s*)(['"])(?<specifier>[^'"\n]+)\1/gm;
const BUILT_IN = new Set(builtinModules);
const COMMENTS = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm;
const SUFFIXES = ['', '.js', '.cjs', '.mjs', '.json', '.node', '/index.js', '/package.json'];

/**
 * Modules that shipped code names but that were not shipped although the full install has them: the
 * faults that a list kept by hand will have one day.
 *
 * @param options.staged the pruned tree
 * @param options.full the whole install
 * @param options.files of the pruned tree
 */
export function missingModules(options: {
  staged: string;
  full: string;
  files: readonly string[];
  target: Target;
}): string[] {
  const { staged, full, files, target } = options;
  const missing = new Set<string>();
  for (const file of files) {
    if (!/\.[cm]?js$/.test(file)) continue;
    const code = readFileSync(join(staged, file), 'utf8').replace(COMMENTS, '');
    for (const match of code.matchAll(SPECIFIER)) {
      const specifier = match.groups?.['specifier'] ?? '';
      const lost = specifier.startsWith('.')
        ? !reachable(staged, file, specifier) && reachable(full, file, specifier)
        : !isBuiltIn(specifier) && !packageReachable(staged, file, specifier, target);
      if (lost) missing.add(`${file}: ${specifier}`);
    }
  }
  return [...missing].sort();
}

const isBuiltIn = (specifier: string) =>
  specifier.startsWith('node:') || BUILT_IN.has(specifier.replace(/\/$/, ''));

function reachable(root: string, file: string, specifier: string): boolean {
  const base = join(root, dirname(file), specifier);
  return SUFFIXES.some((suffix) => {
    const path = base + suffix;
    return existsSync(path) && statSync(path).isFile();
  });
}

function packageReachable(
  staged: string,
  file: string,
  specifier: string,
  target: Target,
): boolean {
  const name = /^(?:@[\w.~-]+\/)?[\w.~-]+/.exec(specifier)?.[0];
  // A template or a URL, not a module's name.
  if (name === undefined) return true;
  if (OPTIONAL_HELPERS.has(name) || !belongsToTarget(name, target)) return true;
  if (LEFT_OUT[name]?.namedBy?.test(file)) return true;
  if (file.includes(`node_modules/${name}/`)) return true;
  let here = dirname(file);
  for (;;) {
    if (existsSync(join(staged, here, 'node_modules', name, 'package.json'))) return true;
    if (here === '.') return false;
    here = dirname(here);
  }
}
