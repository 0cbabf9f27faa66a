import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { parseJson } from '../protocol/index.ts';
import { fromReadError, ModelError } from './errors.ts';
import { allFinite, decodeFloats, FLOAT_BYTES, type FloatType } from './float.ts';
import { isJsonObject } from './json-file.ts';

/**
 * The format allows 100 MB (safetensors README), whose parsing would fill a small board's memory. A
 * tensor takes about 100 bytes and ERNIE-4.5-0.3B has 164.
 */
const LONGEST_HEADER_BYTES = 8 * 1024 * 1024;

const DTYPE_BYTES: Record<string, number> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  ...FLOAT_BYTES,
  U32: 4,
  I32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
};

export type TensorInfo = {
  dtype: string;
  shape: number[];
  /** Byte range in the file. */
  begin: number;
  end: number;
};

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function parseEntry(file: string, name: string, entry: unknown): TensorInfo {
  const bad = (text: string) =>
    new ModelError('bad_header', name, `${file}: tensor ${name} ${text}`);
  if (!isJsonObject(entry)) throw bad('is not described by an object');
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  if (typeof dtype !== 'string') throw bad('has no dtype');
  if (!Array.isArray(shape) || !shape.every(isCount)) throw bad('has no valid shape');
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw bad('has no valid data_offsets');
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) throw bad('ends before it begins');
  const width = DTYPE_BYTES[dtype];
  if (width === undefined) {
    throw new ModelError('wrong_dtype', name, `${file}: tensor ${name} has unknown dtype ${dtype}`);
  }
  const bytes = shape.reduce((product: number, side: number) => product * side, width);
  if (bytes !== end - begin) {
    throw bad(`takes ${end - begin} bytes, but ${dtype} [${shape.join(', ')}] needs ${bytes}`);
  }
  return { dtype, shape, begin, end };
}

/**
 * The ranges must tile the data exactly: overlapping ones would let a tampered header present one
 * tensor's bytes as another's, and what lies behind the last one was never described.
 */
function checkLayout(file: string, tensors: Map<string, TensorInfo>, dataBytes: number): void {
  const inOrder = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const [name, { begin, end }] of inOrder) {
    if (begin < position) {
      throw new ModelError('bad_header', name, `${file}: tensor ${name} overlaps another one`);
    }
    if (begin > position) {
      throw new ModelError('bad_header', name, `${file}: there is a gap before tensor ${name}`);
    }
    if (end > dataBytes) {
      throw new ModelError(
        'truncated',
        name,
        `${file} is cut off: tensor ${name} ends at byte ${end} of ${dataBytes}`,
      );
    }
    position = end;
  }
  if (position !== dataBytes) {
    throw new ModelError(
      'bad_header',
      file,
      `${file} holds ${dataBytes - position} bytes behind its last tensor`,
    );
  }
}

/**
 * One open `.safetensors` file. The header is believed only after every entry has been checked
 * against the file's size and its neighbours; data is read by blocks of rows through the descriptor,
 * so memory does not grow with the file.
 */
export class SafetensorsFile {
  readonly name: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Header text, for digests. */
  readonly header: Buffer;
  readonly #descriptor: number;
  readonly #dataStart: number;
  #scratch = new Uint8Array(0);

  constructor(path: string) {
    this.name = basename(path);
    try {
      this.#descriptor = openSync(path, 'r');
    } catch (error) {
      throw fromReadError(error, this.name);
    }
    try {
      const size = fstatSync(this.#descriptor).size;
      this.header = this.#readHeader(size);
      this.#dataStart = 8 + this.header.length;
      this.tensors = this.#parseHeader();
      checkLayout(this.name, new Map(this.tensors), size - this.#dataStart);
    } catch (error) {
      this.close();
      throw fromReadError(error, this.name);
    }
  }

  #readHeader(size: number): Buffer {
    if (size < 8) throw new ModelError('truncated', this.name, `${this.name} has no header`);
    const prefix = Buffer.alloc(8);
    this.#readFully(prefix, 0, this.name);
    const length = prefix.readBigUInt64LE();
    if (length > LONGEST_HEADER_BYTES) {
      throw new ModelError(
        'bad_header',
        this.name,
        `${this.name}: a header of ${length} bytes is longer than any of ours (${LONGEST_HEADER_BYTES} at most)`,
      );
    }
    if (8 + Number(length) > size) {
      throw new ModelError('truncated', this.name, `${this.name} is cut off inside its header`);
    }
    const header = Buffer.alloc(Number(length));
    this.#readFully(header, 8, this.name);
    return header;
  }

  #parseHeader(): Map<string, TensorInfo> {
    let parsed: unknown;
    try {
      parsed = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(this.header));
    } catch (error) {
      throw new ModelError('bad_header', this.name, `${this.name}: header is not JSON`, error);
    }
    if (!isJsonObject(parsed)) {
      throw new ModelError('bad_header', this.name, `${this.name}: header is not a JSON object`);
    }
    const tensors = new Map<string, TensorInfo>();
    for (const [name, entry] of Object.entries(parsed)) {
      if (name !== '__metadata__') tensors.set(name, parseEntry(this.name, name, entry));
    }
    return tensors;
  }

  #readFully(target: Uint8Array, position: number, what: string): void {
    let filled = 0;
    while (filled < target.length) {
      const got = readSync(
        this.#descriptor,
        target,
        filled,
        target.length - filled,
        position + filled,
      );
      if (got === 0) throw new ModelError('truncated', what, `${this.name} ended inside ${what}`);
      filled += got;
    }
  }

  /**
   * Decodes rows [firstRow, firstRow + rows) of a tensor, its last dimension being the row, into the
   * start of `out`. The tensor must be BF16, F16 or F32 (checked when the checkpoint was opened).
   * @throws ModelError `corrupt` when a value is NaN or infinite, `truncated` when the file shrank
   */
  readRows(name: string, firstRow: number, rows: number, out: Float32Array): void {
    const info = this.tensors.get(name);
    if (!info || !(info.dtype in FLOAT_BYTES)) {
      throw new ModelError('missing_tensor', name, `${this.name} has no float tensor ${name}`);
    }
    const type = info.dtype as FloatType;
    const width = info.shape.at(-1) ?? 1;
    const count = rows * width;
    const bytes = count * FLOAT_BYTES[type];
    if (this.#scratch.length < bytes) this.#scratch = new Uint8Array(bytes);
    const block = this.#scratch.subarray(0, bytes);
    this.#readFully(
      block,
      this.#dataStart + info.begin + firstRow * width * FLOAT_BYTES[type],
      name,
    );
    decodeFloats(type, block, count, out);
    if (!allFinite(out, count)) {
      throw new ModelError('corrupt', name, `${this.name}: tensor ${name} holds NaN or infinity`);
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
