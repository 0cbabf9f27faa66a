import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const TINY = join(import.meta.dirname, '../../fixtures/ernie-tiny');

export type HeaderEntry = { dtype: string; shape: number[]; data_offsets: [number, number] };
export type Header = Record<string, HeaderEntry>;

/** A writable copy of the tiny ERNIE folder, without its golden logits. */
export function copyTiny(parent = mkdtempSync(join(tmpdir(), 'twowatt-hf-'))): string {
  const folder = join(parent, 'tiny');
  cpSync(TINY, folder, { recursive: true, filter: (path) => !path.endsWith('logits.json') });
  return folder;
}

export function readWeights(path: string): { header: Header; data: Buffer } {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Header;
  delete header['__metadata__'];
  return { header, data: bytes.subarray(8 + length) };
}

/** Writes a safetensors file from a header (any JSON text) and its data, right or wrong. */
export function writeWeights(path: string, header: Header | string, data: Uint8Array): void {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([prefix, text, data]));
}

/** Changes the header of a folder's weights and leaves the data as it is. */
export function editHeader(folder: string, edit: (header: Header) => void): void {
  const path = join(folder, 'model.safetensors');
  const { header, data } = readWeights(path);
  edit(header);
  writeWeights(path, header, data);
}

/** Writes tensors one after the other, as an honest writer would. */
export function packWeights(
  path: string,
  source: { header: Header; data: Buffer },
  names: string[],
): void {
  const header: Header = {};
  const parts: Buffer[] = [];
  let at = 0;
  for (const name of names) {
    const {
      dtype,
      shape,
      data_offsets: [begin, end],
    } = source.header[name] as HeaderEntry;
    header[name] = { dtype, shape, data_offsets: [at, at + end - begin] };
    parts.push(source.data.subarray(begin, end));
    at += end - begin;
  }
  writeWeights(path, header, Buffer.concat(parts));
}

/** Edits one of a folder's JSON files. */
export function editJson(folder: string, name: string, change: Record<string, unknown>): void {
  const path = join(folder, name);
  const before = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify({ ...before, ...change }));
}
