/**
 * Symmetric rounding to 8 bits. For every weight |w − q·scale| ≤ scale/2, since no |w| of a group
 * exceeds 127·scale. A scale is never below the smallest normal float32, so dividing by it is safe.
 */
const SMALLEST_SCALE = 2 ** -126;

/** Steps on either side of zero. */
const LEVELS = 127;

/** Added to weights that are stored unsigned. */
export const UNSIGNED_ZERO_POINT = 128;

function scaleOf(values: Float32Array, start: number, count: number): number {
  let largest = 0;
  for (let i = start; i < start + count; i++) {
    const magnitude = Math.abs(values[i] as number);
    if (magnitude > largest) largest = magnitude;
  }
  return Math.max(Math.fround(largest / LEVELS), SMALLEST_SCALE);
}

/**
 * Quantises `rows` rows of `columns` weights, one scale per row (= output channel), and scatters them
 * as columns [firstRow, firstRow + rows) of the [columns, allRows] matrix `out`: the layout in which
 * onnxruntime's integer GEMM takes its right-hand side. With zero point 0 the bytes are int8 (stores
 * into a Uint8Array wrap, so the two's complement comes out), with 128 they are u8.
 */
export function quantiseChannels(
  values: Float32Array,
  shape: { rows: number; columns: number; firstRow: number; allRows: number },
  zeroPoint: 0 | typeof UNSIGNED_ZERO_POINT,
  out: Uint8Array,
  scales: Float32Array,
): void {
  const { rows, columns, firstRow, allRows } = shape;
  const inverse = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const scale = scaleOf(values, row * columns, columns);
    scales[firstRow + row] = scale;
    inverse[row] = 1 / scale;
  }
  // 64 rows at a time: their run of 64 output bytes is one cache line for each column.
  const tile = 64;
  for (let first = 0; first < rows; first += tile) {
    const end = Math.min(rows, first + tile);
    for (let column = 0; column < columns; column++) {
      const at = column * allRows + firstRow;
      for (let row = first; row < end; row++) {
        const weight = values[row * columns + column] as number;
        out[at + row] = Math.round(weight * (inverse[row] as number)) + zeroPoint;
      }
    }
  }
}

/** Quantises `count` weights in blocks, as u8 around 128, one scale per block; `count` is a multiple of `block`. */
export function quantiseBlocks(
  values: Float32Array,
  count: number,
  block: number,
  out: Uint8Array,
  scales: Float32Array,
): void {
  for (let start = 0; start < count; start += block) {
    const scale = scaleOf(values, start, block);
    scales[start / block] = scale;
    const inverse = 1 / scale;
    for (let i = start; i < start + block; i++) {
      out[i] = Math.round((values[i] as number) * inverse) + UNSIGNED_ZERO_POINT;
    }
  }
}
