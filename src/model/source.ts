import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { Checkpoint, INDEX_SOURCE, WEIGHTS_SOURCE } from './checkpoint.ts';
import { readConfig } from './config.ts';
import { isJsonObject, readJsonObject } from './json-file.ts';
import { COMPANION_FILES } from './tokenizer-files.ts';

/** A model's name from its folder; the hub's own cache hides it as models--OWNER--NAME/snapshots/COMMIT. */
export function modelId(folder: string): string {
  const full = resolve(folder);
  const hub = /^models--.+--(?<name>[^/]+)$/.exec(basename(dirname(dirname(full))));
  const snapshot = basename(dirname(full)) === 'snapshots' ? hub?.groups?.['name'] : undefined;
  const name = (snapshot ?? basename(full)).replaceAll(/[^A-Za-z0-9._-]+/g, '-');
  return name === '' ? 'model' : name.slice(0, 100);
}

/** Names of the files that a conversion depends on. */
export function sourceFiles(folder: string): string[] {
  const there = COMPANION_FILES.filter((name) => existsSync(join(folder, name)));
  if (existsSync(join(folder, WEIGHTS_SOURCE))) return [...there, WEIGHTS_SOURCE];
  const map = readJsonObject(join(folder, INDEX_SOURCE), 'bad_header')['weight_map'];
  const shards = isJsonObject(map)
    ? Object.values(map).filter((file) => typeof file === 'string')
    : [];
  return [...there, INDEX_SOURCE, ...new Set(shards)];
}

/**
 * Tells whether a cached conversion is still the folder's, without reading the weights at each start:
 * a digest of the small files' contents, of the safetensors headers, and of the weight files' sizes
 * and modification times. Whoever changes weights in place and sets the old time back fools it.
 */
export function sourceFingerprint(folder: string): string {
  const hash = createHash('sha256');
  const checkpoint = Checkpoint.open(folder, readConfig(folder));
  try {
    for (const file of checkpoint.files) {
      const { size, mtimeNs } = statSync(join(folder, file.name), { bigint: true });
      hash.update(`${file.name} ${size} ${mtimeNs}\n`).update(file.header);
    }
  } finally {
    checkpoint.close();
  }
  for (const name of sourceFiles(folder).filter((file) => !file.endsWith('.safetensors'))) {
    hash.update(`\n${name}\n`).update(readFileSync(join(folder, name)));
  }
  return hash.digest('hex');
}
