import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';

/**
 * Columns of whole numbers as few bytes. Each value is the difference to the one before it in its column,
 * zigzag, plus one (0 stands for null), in groups of seven bits; whole columns follow each other, so that
 * what hardly changes deflates to next to nothing. Numbers up to 2^52.
 */
export function encodeColumns(columns: readonly (readonly (number | null)[])[]): Buffer {
  const rows = columns[0]?.length ?? 0;
  const bytes = new Uint8Array(16 + columns.length * rows * 8);
  let at = writeVarint(bytes, writeVarint(bytes, 0, columns.length), rows);
  for (const column of columns) {
    let before = 0;
    for (const value of column) {
      if (value === null) {
        bytes[at++] = 0;
        continue;
      }
      const change = value - before;
      before = value;
      at = writeVarint(bytes, at, (change < 0 ? -2 * change - 1 : 2 * change) + 1);
    }
  }
  return deflateRawSync(bytes.subarray(0, at), { level: constants.Z_BEST_SPEED + 4 });
}

export function decodeColumns(blob: Uint8Array): (number | null)[][] {
  const bytes = inflateRawSync(blob);
  let at = 0;
  const next = (): number => {
    let value = 0;
    let unit = 1;
    for (;;) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
      unit *= 128;
    }
  };
  const width = next();
  const rows = next();
  const columns: (number | null)[][] = [];
  for (let c = 0; c < width; c += 1) {
    const column: (number | null)[] = Array.from({ length: rows });
    let before = 0;
    for (let r = 0; r < rows; r += 1) {
      const code = next();
      if (code === 0) column[r] = null;
      else {
        const zigzag = code - 1;
        before += zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
        column[r] = before;
      }
    }
    columns.push(column);
  }
  return columns;
}

/** One row, not deflated: what waits to be packed. */
export function encodeRow(values: readonly (number | null)[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  let at = 0;
  for (const value of values) {
    if (value === null) bytes[at++] = 0;
    else at = writeVarint(bytes, at, (value < 0 ? -2 * value - 1 : 2 * value) + 1);
  }
  return bytes.slice(0, at);
}

export function decodeRow(bytes: Uint8Array, width: number): (number | null)[] {
  const row: (number | null)[] = [];
  let at = 0;
  for (let c = 0; c < width; c += 1) {
    let code = 0;
    let unit = 1;
    for (;;) {
      const byte = bytes[at++] ?? 0;
      code += (byte & 0x7f) * unit;
      if (byte < 0x80) break;
      unit *= 128;
    }
    if (code === 0) row.push(null);
    else {
      const zigzag = code - 1;
      row.push(zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2);
    }
  }
  return row;
}

function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 128) {
    bytes[at++] = (rest % 128) + 128;
    rest = Math.floor(rest / 128);
  }
  bytes[at++] = rest;
  return at;
}
