import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { isErrno, TwowattError } from '../core/index.ts';
import {
  MANIFEST_FILE,
  type ModelForm,
  type ModelManifest,
  type ModelTarget,
} from '../protocol/index.ts';
import { bundledModelFolder } from './bundled.ts';
import { expectedTensors } from './checkpoint.ts';
import { readConfig } from './config.ts';
import { type ConversionProgress, convertModel, DEFAULT_CONTEXT_TOKENS } from './convert.ts';
import type { ConversionDisk } from './disk.ts';
import { ModelError } from './errors.ts';
import { exclusively } from './lock.ts';
import { CONVERTER_VERSION, loadManifest } from './manifest.ts';
import { modelId, sourceFiles, sourceFingerprint } from './source.ts';
import { detectTarget } from './target.ts';
import { checkDigests } from './verify.ts';

export type ResolveOptions = {
  /** Converted folder, Hugging Face folder, or a name of `listModels`; '' is the bundled nano model. */
  path: string;
  /** Where conversions are kept. */
  cacheFolder: string;
  form?: ModelForm;
  /** Detected from `procRoot` when absent. */
  target?: ModelTarget;
  procRoot?: string;
  /** Tokens that the caller wants to use; the rotary table never covers fewer than 8192 of the model's. */
  contextTokens?: number;
  onProgress?: (progress: ConversionProgress) => void;
  signal?: AbortSignal;
  disk?: ConversionDisk;
  /** Told when a cached conversion was found damaged and is made anew. */
  onDamaged?: (fault: ModelError) => void;
};

export type ResolvedModel = {
  /** The folder that the user named: a Hugging Face folder, or `folder` itself. */
  source: string;
  folder: string;
  manifest: ModelManifest;
};

/** One line of `model list`. What is not known before conversion is null. */
export type ModelListing = {
  id: string;
  path: string;
  origin: 'bundled' | 'cache' | 'configured';
  converted: boolean;
  form: ModelForm | null;
  target: ModelTarget | null;
  parameters: number | null;
  /** Size on disk. */
  bytes: number;
  digest: string | null;
  /** Why it cannot be used; null when it can. */
  problem: string | null;
};

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** The converted folders of a cache; hidden names are locks and work in progress. */
function cachedFolders(cacheFolder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(cacheFolder);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
  return names
    .filter((name) => !name.startsWith('.'))
    .map((name) => resolve(cacheFolder, name))
    .filter((path) => existsSync(join(path, MANIFEST_FILE)))
    .toSorted();
}

/** Conversions of one model share its id; the folder's own name tells them apart. */
function isNamed(model: ModelListing, name: string): boolean {
  return model.id === name || basename(model.path) === name;
}

/** What `path` means: a folder wins over a name, so that a name can always be hidden by being explicit. */
async function findFolder({ path, cacheFolder }: ResolveOptions): Promise<string> {
  if (path === '') return bundledModelFolder();
  if (isFolder(path)) return resolve(path);
  // The bundled model comes first: converting it again costs less than a stale cache entry.
  const named = (await listModels({ cacheFolder })).find(
    (model) => model.problem === null && isNamed(model, path),
  );
  if (named) return named.path;
  if (!existsSync(path) && /^[\w.-]+\/[\w.-]+$/.test(path)) {
    throw new TwowattError(
      'unsupported',
      `${path} is no folder here, and fetching from a hub comes with a later version; download it and give its folder`,
      { param: 'model.path' },
    );
  }
  throw new ModelError('missing_file', path, `${path} is neither a folder nor a model of the list`);
}

/** A cached conversion if all its files are there; a damaged one counts as absent and is made anew. */
function usable(folder: string): ModelManifest | undefined {
  if (!existsSync(join(folder, MANIFEST_FILE))) return undefined;
  try {
    return loadManifest(folder);
  } catch (error) {
    if (error instanceof ModelError) return undefined;
    throw error;
  }
}

/** The same with every file read and compared with its digest: flipped bits give wrong answers, not errors. */
async function intact(
  folder: string,
  { signal, onDamaged }: Pick<ResolveOptions, 'signal' | 'onDamaged'>,
): Promise<ModelManifest | undefined> {
  const manifest = usable(folder);
  if (manifest === undefined) return undefined;
  try {
    await checkDigests(folder, manifest, signal ? { signal } : {});
    return manifest;
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    onDamaged?.(error);
    return undefined;
  }
}

/** What the conversion of a source depends on besides the source. */
type Conversion = { target: ModelTarget; covered: number };

/** Where a model lies, or would after its conversion. */
export type LocatedModel =
  | ({ converted: true; conversion: null } & ResolvedModel)
  /** In the cache: damaged, it can be made anew. */
  | ({ converted: true; conversion: Conversion } & ResolvedModel)
  | {
      converted: false;
      conversion: Conversion;
      /** The Hugging Face folder. */
      source: string;
      /** The folder that the conversion makes. */
      folder: string;
    };

/**
 * What `resolveModel` would use, without converting anything. Weights are not read.
 * @throws ModelError, TwowattError `unsupported` for a hub repository
 */
export async function locateModel(options: ResolveOptions): Promise<LocatedModel> {
  const source = await findFolder(options);
  if (existsSync(join(source, MANIFEST_FILE))) {
    const manifest = loadManifest(source);
    return { converted: true, conversion: null, source, folder: source, manifest };
  }
  const {
    form = 'int8',
    procRoot = '/proc',
    target = detectTarget({ procRoot }),
    contextTokens = DEFAULT_CONTEXT_TOKENS,
  } = options;
  const { maxPositions } = readConfig(source);
  // Covering at least the default lets the setting change without a new conversion.
  const covered = Math.min(maxPositions, Math.max(contextTokens, DEFAULT_CONTEXT_TOKENS));
  const key = `${sourceFingerprint(source).slice(0, 16)}-${covered}-v${CONVERTER_VERSION}`;
  const folder = join(resolve(options.cacheFolder), `${modelId(source)}-${form}-${target}-${key}`);
  const conversion = { target, covered };
  const cached = usable(folder);
  if (cached) return { converted: true, conversion, source, folder, manifest: cached };
  return { converted: false, conversion, source, folder };
}

/**
 * The converted folder for what the user named. A folder with a manifest is used as it is. A Hugging
 * Face folder is converted once: the cache entry's name holds a fingerprint of the source, the form,
 * the target, the context and the converter's version, so any change makes a new entry. Processes
 * that ask for the same at once wait for the first one.
 *
 * All files are read and compared with their digests. A damaged cache entry is made anew; a damaged
 * folder that the user named is refused.
 * @throws ModelError, TwowattError `unsupported` for a hub repository, `cancelled` after an abort
 */
export async function resolveModel(options: ResolveOptions): Promise<ResolvedModel> {
  const located = await locateModel(options);
  const { form = 'int8', signal } = options;
  if (located.conversion === null) {
    const { source, folder, manifest } = located;
    await checkDigests(folder, manifest, signal ? { signal } : {});
    return { source, folder, manifest };
  }
  const { source, folder, conversion } = located;
  const cached = located.converted ? await intact(folder, options) : undefined;
  if (cached) return { source, folder, manifest: cached };
  const manifest = await exclusively(folder, signal, async () => {
    const byAnother = await intact(folder, {});
    if (byAnother) return byAnother;
    return await convertModel(source, {
      out: folder,
      form,
      target: conversion.target,
      contextTokens: conversion.covered,
      ...(options.onProgress && { onProgress: options.onProgress }),
      ...(signal && { signal }),
      ...(options.disk && { disk: options.disk }),
    });
  });
  return { source, folder, manifest };
}

function sizes(folder: string, names: string[]): number {
  return names.reduce((sum, name) => {
    const stat = statSync(join(folder, name), { throwIfNoEntry: false });
    return sum + (stat?.size ?? 0);
  }, 0);
}

function describe(path: string, origin: ModelListing['origin']): ModelListing {
  const converted = existsSync(join(path, MANIFEST_FILE));
  const listing: ModelListing = {
    id: modelId(path),
    path,
    origin,
    converted,
    form: null,
    target: null,
    parameters: null,
    bytes: 0,
    digest: null,
    problem: null,
  };
  try {
    if (converted) {
      const { id, form, target, parameters, files, digest } = loadManifest(path);
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
      return { ...listing, id, form, target, parameters, bytes, digest };
    }
    const shapes = expectedTensors(readConfig(path)).values();
    const parameters = [...shapes].reduce(
      (sum, shape) => sum + shape.reduce((a, b) => a * b, 1),
      0,
    );
    return { ...listing, parameters, bytes: sizes(path, sourceFiles(path)) };
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return { ...listing, problem: error.message };
  }
}

/** The bundled model, the cache's, and the folders that the configuration names. */
export async function listModels(options: {
  cacheFolder: string;
  configured?: string[];
}): Promise<ModelListing[]> {
  const own = [bundledModelFolder(), ...cachedFolders(options.cacheFolder)].map((path, i) =>
    describe(path, i === 0 ? 'bundled' : 'cache'),
  );
  // What is configured may also be the name of one that is listed anyway.
  const configured = (options.configured ?? []).filter(
    (path) => path !== '' && (isFolder(path) || !own.some((model) => isNamed(model, path))),
  );
  const paths = new Set(configured.map((path) => resolve(path)));
  return [
    ...own.filter((model) => !paths.has(model.path)),
    ...[...paths].map((path) => describe(path, 'configured')),
  ];
}
