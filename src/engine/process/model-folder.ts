import { readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isErrno } from '../../core/index.ts';
import {
  GRAPH_FILE,
  MANIFEST_FILE,
  MANIFEST_FORMAT,
  type ModelFacts,
  type ModelManifest,
} from '../../protocol/index.ts';
import { LoadError } from './load-error.ts';

/** Reads a JSON object of the model folder; errors name the file. */
export function readModelJson(folder: string, name: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(join(folder, name), 'utf8');
  } catch (error) {
    throw fromReadError(error, name);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch (error) {
    throw new LoadError('model_corrupt', `${name} is not valid JSON`, {
      param: name,
      cause: error,
    });
  }
  throw new LoadError('model_corrupt', `${name} holds no JSON object`, { param: name });
}

function fromReadError(error: unknown, name: string): LoadError {
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) {
    return new LoadError('model_missing', `the model folder has no ${name}`, {
      param: name,
      cause: error,
    });
  }
  const why = error instanceof Error ? error.message : String(error);
  return new LoadError('engine_unavailable', `${name} cannot be read: ${why}`, {
    param: name,
    cause: error,
  });
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) > 0;

/** Plain names only: a manifest must not lead outside its folder. */
function isListedFile(entry: unknown): boolean {
  if (typeof entry !== 'object' || entry === null) return false;
  const { name, bytes } = entry as { name?: unknown; bytes?: unknown };
  return (
    typeof name === 'string' &&
    name === basename(name) &&
    !name.includes('\u0000') &&
    Number.isSafeInteger(bytes)
  );
}

/**
 * The manifest, checked as far as the engine leans on it, and every listed file with its size. The
 * digests are not computed: that would read the whole model at each start (`model verify` does it).
 */
export function readManifest(folder: string): ModelManifest {
  const value = readModelJson(folder, MANIFEST_FILE);
  const manifest = value as unknown as ModelManifest;
  const refuse = (why: string): never => {
    throw new LoadError('model_corrupt', `${MANIFEST_FILE}: ${why}`, { param: MANIFEST_FILE });
  };
  if (value['format'] !== MANIFEST_FORMAT) {
    refuse(`expected format ${MANIFEST_FORMAT}, found ${JSON.stringify(value['format'])}`);
  }
  const { dimensions } = manifest;
  for (const name of ['layers', 'kvHeads', 'headDim', 'vocab', 'contextTokens'] as const) {
    if (!isCount(dimensions?.[name])) refuse(`dimensions.${name} must be a positive whole number`);
  }
  // Not in what version 1 of the converter wrote.
  manifest.promptScores = value['promptScores'] === true;
  if (!Array.isArray(manifest.eosTokenIds) || !manifest.eosTokenIds.every(Number.isSafeInteger)) {
    refuse('eosTokenIds must be a list of whole numbers');
  }
  for (const name of ['id', 'digest', 'architecture', 'form'] as const) {
    if (typeof value[name] !== 'string') refuse(`${name} must be a text`);
  }
  if (!Array.isArray(manifest.files) || !manifest.files.every(isListedFile)) {
    refuse('files must be a list of names, without folders, and sizes');
  }
  if (!manifest.files.some((file) => file.name === GRAPH_FILE)) refuse(`files lacks ${GRAPH_FILE}`);
  for (const file of manifest.files) {
    let bytes: number;
    try {
      bytes = statSync(join(folder, file.name)).size;
    } catch (error) {
      throw fromReadError(error, file.name);
    }
    if (bytes !== file.bytes) {
      throw new LoadError(
        'model_corrupt',
        `${file.name} is ${bytes} bytes long, expected ${file.bytes}`,
        { param: file.name },
      );
    }
  }
  return manifest;
}

export function factsOf(manifest: ModelManifest, contextTokens: number): ModelFacts {
  return {
    id: manifest.id,
    digest: manifest.digest,
    architecture: manifest.architecture,
    form: manifest.form,
    parameters: manifest.parameters,
    contextTokens,
  };
}
