import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createProgram } from '../src/cli/program.ts';
import { describeCommand } from './command-tree.ts';
import { missingModules } from './completeness.ts';
import { renderBashCompletion } from './completion.ts';
import { isShipped } from './contents.ts';
import { type PackageSource, renderCopyright } from './copyright.ts';
import { fetchPackage } from './fetch-package.ts';
import { renderManual } from './manual.ts';
import { type LockedPackage, productionPackages } from './production-packages.ts';
import { renderSbom, type ShippedFile } from './sbom.ts';
import { isElf, stripElf } from './strip-elf.ts';
import type { Target } from './target.ts';
import { copy, copyFolder, filesBelow, put, read } from './tree.ts';
import { asInstalled, enabledUnits, expectOwnProgram, unitFiles } from './units.ts';

const PROGRAM = 'usr/lib/twowatt';
const DOCS = 'usr/share/doc/twowatt';

export type Staged = { units: string[]; enabledUnits: string[]; sbom: string };

/**
 * Lays out the whole file tree of the package under `root`: program, runtime, what it needs of
 * node_modules, model, units, manual, licences and bill of materials.
 *
 * @throws Error when shipped code names a module that was left behind
 */
export function stage(options: {
  checkout: string;
  root: string;
  cache: string;
  /** For what has to be unpacked on the way; the caller removes it. */
  work: string;
  target: Target;
  version: string;
  changelog: string;
  date: Date;
}): Staged {
  const { checkout, root, cache, work, target, version, date } = options;
  const from = (path: string) => join(checkout, path);

  stageProgram(checkout, root, version);
  const runtime = fetchRuntime(cache, work, target);
  put(root, `${PROGRAM}/bin/node`, stripElf(readFileSync(join(runtime, 'bin/node'))), 0o755);
  const sources = productionPackages(checkout, target).map((one) => ({
    package: one,
    folder: folderOf(one, checkout, cache, work),
  }));
  for (const source of sources) stagePackage(source, root, target);
  const staged = join(root, PROGRAM);
  const files = filesBelow(staged);
  const missing = missingModules({ staged, full: checkout, files, target });
  if (missing.length > 0) {
    throw new Error(`left out, but named by what ships:\n  ${missing.join('\n  ')}`);
  }

  const units = stageUnits(checkout, root);
  put(root, 'usr/bin/twowatt', read(from('packaging/debian/twowatt.sh')), 0o755);
  copy(root, 'etc/twowatt/config.yaml', from('packaging/debian/config.yaml'));
  copy(root, 'usr/share/lintian/overrides/twowatt', from('packaging/debian/lintian-overrides'));

  const commands = describeCommand(createProgram());
  const day = date.toISOString().slice(0, 10);
  const manual = renderManual(commands, version, day);
  put(root, 'usr/share/man/man1/twowatt.1.gz', gzipSync(manual, { level: 9 }));
  put(root, 'usr/share/bash-completion/completions/twowatt', renderBashCompletion(commands));

  put(root, `${DOCS}/changelog.gz`, gzipSync(options.changelog, { level: 9 }));
  put(root, `${DOCS}/copyright`, renderCopyright(sources));
  copy(root, `${DOCS}/node-licences.txt`, join(runtime, 'LICENSE'));
  copyFolder(root, DOCS, from('docs'));
  const sbom = renderSbom({
    checkout,
    shipped: sources.map((one) => one.package),
    files: shippedFiles(checkout, target, version),
    staged: root,
    architecture: target.debian,
    date,
  });
  put(root, `${DOCS}/sbom.cdx.json`, sbom);
  return { ...units, sbom };
}

/** Compiled anew, so that nothing of an older build gets in. */
function stageProgram(checkout: string, root: string, version: string): void {
  const home = join(root, PROGRAM);
  const compiler = join(checkout, 'node_modules/typescript/bin/tsc');
  const args = ['-p', join(checkout, 'tsconfig.build.json'), '--sourceMap', 'false'];
  execFileSync(process.execPath, [compiler, ...args, '--outDir', join(home, 'dist')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const page = ['build', '--config', join(checkout, 'src/fleet/web/vite.config.ts')];
  const bundler = join(checkout, 'node_modules/vite/bin/vite.js');
  const into = ['--outDir', join(home, 'dist/fleet/web'), '--logLevel', 'warn'];
  execFileSync(process.execPath, [bundler, ...page, ...into], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  for (const file of filesBelow(join(home, 'dist'))) {
    put(home, `dist/${file}`, readFileSync(join(home, 'dist', file)));
  }
  // Only ever started by /usr/bin/twowatt, so it needs no Node of the system's.
  put(home, 'bin/twowatt.js', read(join(checkout, 'bin/twowatt.js')).replace(/^#!.*\n/, ''));
  for (const folder of ['device-profiles', 'scenarios', 'models']) {
    copyFolder(home, folder, join(checkout, folder), (file) => !file.endsWith('.md'));
  }
  const { name, description, license, type, engines } = JSON.parse(
    read(join(checkout, 'package.json')),
  ) as Record<string, unknown>;
  const manifest = { name, version, description, license, type, engines };
  put(home, 'package.json', `${JSON.stringify(manifest, null, 2)}\n`);
}

type Runtime = { version: string; integrity: Record<string, string> };

const pinnedRuntime = (): Runtime =>
  JSON.parse(read(join(import.meta.dirname, 'runtime.json'))) as Runtime;

function fetchRuntime(cache: string, work: string, target: Target): string {
  const { version, integrity } = pinnedRuntime();
  const name = `node-linux-${target.node}`;
  return fetchPackage({ name, version, integrity: integrity[name] ?? '', cache, work });
}

/** This machine's own install has it, unless it is another platform's binary. */
function folderOf(one: LockedPackage, checkout: string, cache: string, work: string): string {
  const here = join(checkout, one.path);
  try {
    const { version } = JSON.parse(read(join(here, 'package.json'))) as { version: string };
    if (version === one.version) return here;
  } catch {
    return fetchPackage({ ...one, cache, work });
  }
  throw new Error(`${one.path} is not the lockfile's version ${one.version}: run npm ci`);
}

function stagePackage({ package: one, folder }: PackageSource, root: string, target: Target): void {
  const wanted = filesBelow(folder).filter(
    (file) => !file.startsWith('node_modules/') && isShipped(one.name, file, target),
  );
  for (const file of wanted) {
    const bytes = readFileSync(join(folder, file));
    put(root, join(PROGRAM, one.path, file), isElf(bytes) ? stripElf(bytes) : bytes);
  }
}

function stageUnits(checkout: string, root: string): Omit<Staged, 'sbom'> {
  const files = unitFiles(join(checkout, 'systemd')).map(({ source, target }) => ({
    target,
    text: asInstalled(read(join(checkout, 'systemd', source))),
  }));
  for (const { target, text } of files) {
    expectOwnProgram(target, text);
    put(root, target, text, target.startsWith(PROGRAM) ? 0o755 : 0o644);
  }
  const names = files
    .map(({ target }) => /^usr\/lib\/systemd\/system\/([^/]+)$/.exec(target)?.[1])
    .filter((unit) => unit !== undefined && !/@\./.test(unit));
  return { units: names as string[], enabledUnits: enabledUnits(files) };
}

function shippedFiles(checkout: string, target: Target, version: string): ShippedFile[] {
  const runtime = JSON.parse(
    read(join(checkout, 'node_modules/onnxruntime-node/package.json')),
  ) as { version: string };
  return [
    {
      type: 'application',
      name: 'node',
      version: pinnedRuntime().version,
      licence: 'MIT',
      path: `${PROGRAM}/bin/node`,
    },
    {
      type: 'library',
      name: 'onnxruntime',
      version: runtime.version,
      licence: 'MIT',
      path: `${PROGRAM}/node_modules/onnxruntime-node/bin/napi-v6/linux/${target.node}/libonnxruntime.so.1`,
    },
    {
      type: 'machine-learning-model',
      name: 'twowatt-nano',
      version,
      licence: 'Apache-2.0',
      path: `${PROGRAM}/models/twowatt-nano/model.safetensors`,
    },
  ];
}
