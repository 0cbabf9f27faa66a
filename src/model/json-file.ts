import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { parseJson } from '../protocol/index.ts';
import { fromReadError, ModelError, type ModelFault } from './errors.ts';

export type JsonObject = { [key: string]: unknown };

/** A tokenizer of 100,000 pieces takes about 10 MB, the largest known (262,000 pieces) 34 MB. */
const LONGEST_JSON_BYTES = 64 * 1024 * 1024;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads a file that holds one JSON object; `fault` is what broken content is called. */
export function readJsonObject(path: string, fault: ModelFault): JsonObject {
  const name = basename(path);
  let text: string;
  try {
    if (statSync(path).size > LONGEST_JSON_BYTES) {
      throw new ModelError(fault, name, `${name} is larger than any such file should be`);
    }
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw fromReadError(error, name);
  }
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw new ModelError(fault, name, `${name} is not valid JSON`, error);
  }
  if (!isJsonObject(value)) {
    throw new ModelError(fault, name, `${name} must hold a JSON object`);
  }
  return value;
}

/** As `readJsonObject`, but an absent file is undefined. */
export function readJsonObjectIfThere(path: string, fault: ModelFault): JsonObject | undefined {
  try {
    return readJsonObject(path, fault);
  } catch (error) {
    if (error instanceof ModelError && error.fault === 'missing_file') return undefined;
    throw error;
  }
}
