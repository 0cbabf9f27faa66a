import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import {
  GRAPH_FILE,
  MANIFEST_FILE,
  MANIFEST_FORMAT,
  type ModelManifest,
  WEIGHTS_FILE,
} from '../protocol/index.ts';
import { digestOfAll } from './digest.ts';
import { fromReadError, ModelError } from './errors.ts';
import { readJsonObject } from './json-file.ts';

/**
 * Version of what the converter writes. Raise it with every change to the graph or the numbers: cached
 * conversions of another version are then made anew.
 */
export const CONVERTER_VERSION = 2;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const side = v.pipe(count, v.minValue(1));
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits'));
/** Plain names only: a manifest must not lead outside its folder. */
const fileName = v.pipe(
  v.string(),
  v.check(
    (name) => name === basename(name) && name !== '' && name !== '..' && !name.includes('\u0000'),
    'expected a file name',
  ),
);

const manifestSchema = v.object({
  format: v.literal(MANIFEST_FORMAT),
  id: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  architecture: v.literal('ernie4_5'),
  form: v.picklist(['int8', 'fp32']),
  target: v.picklist(['dotprod', 'nodotprod', 'avx2']),
  dimensions: v.object({
    hidden: side,
    ffn: side,
    layers: side,
    heads: side,
    kvHeads: side,
    headDim: side,
    vocab: side,
    contextTokens: side,
  }),
  parameters: side,
  eosTokenIds: v.pipe(v.array(count), v.minLength(1)),
  // Absent from what version 1 wrote, whose graphs score no prompts.
  promptScores: v.optional(v.boolean(), false),
  sourceDigest: sha256,
  converter: side,
  files: v.array(v.object({ name: fileName, bytes: count, sha256 })),
  digest: sha256,
});

function bad(text: string, param = MANIFEST_FILE): ModelError {
  return new ModelError('bad_manifest', param, `${MANIFEST_FILE} ${text}`);
}

/** Checks a manifest's own words; no other file is touched. */
export function parseManifest(value: unknown): ModelManifest {
  const parsed = v.safeParse(manifestSchema, value);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    const path = v.getDotPath(issue) ?? 'content';
    throw bad(`is not valid: ${path}: ${issue.message}`);
  }
  const manifest = parsed.output;
  if (new Set(manifest.files.map((file) => file.name)).size !== manifest.files.length) {
    throw bad('lists a file twice');
  }
  for (const needed of [GRAPH_FILE, WEIGHTS_FILE]) {
    if (!manifest.files.some((file) => file.name === needed)) throw bad(`does not list ${needed}`);
  }
  if (manifest.eosTokenIds.some((id) => id >= manifest.dimensions.vocab)) {
    throw bad('has an eos token id beyond the vocabulary');
  }
  if (digestOfAll(manifest.files) !== manifest.digest) {
    throw bad('was changed: digest does not match its list of files');
  }
  return manifest;
}

/**
 * Reads `twowatt.json` of a converted folder and checks that every file it lists is there with the
 * listed size; the contents are `verifyModel`'s business.
 * @throws ModelError `missing_file`, `bad_manifest`, or `truncated` for a file of another size
 */
export function loadManifest(folder: string): ModelManifest {
  const manifest = parseManifest(readJsonObject(join(folder, MANIFEST_FILE), 'bad_manifest'));
  for (const file of manifest.files) {
    let bytes: number;
    try {
      bytes = statSync(join(folder, file.name)).size;
    } catch (error) {
      throw fromReadError(error, file.name);
    }
    if (bytes !== file.bytes) {
      throw new ModelError(
        bytes < file.bytes ? 'truncated' : 'corrupt',
        file.name,
        `${file.name} has ${bytes} bytes; ${MANIFEST_FILE} says ${file.bytes}`,
      );
    }
  }
  return manifest;
}
