/** Storage types of weights that the reader turns into float32. */
export type FloatType = 'BF16' | 'F16' | 'F32';

export const FLOAT_BYTES: Record<FloatType, number> = { BF16: 2, F16: 2, F32: 4 };

/** IEEE 754 binary16: 5 exponent bits with bias 15, 10 fraction bits, subnormals count 2^-24. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halves: Float32Array | undefined;

/** All 65536 half-precision values: a look-up per weight is several times faster than the arithmetic. */
function halfTable(): Float32Array {
  halves ??= Float32Array.from({ length: 0x10000 }, (_, bits) => halfToNumber(bits));
  return halves;
}

/**
 * Decodes `count` little-endian values at the start of `bytes` into `out`; exact for each type.
 * `bytes.byteOffset` must be a multiple of the type's size.
 */
export function decodeFloats(
  type: FloatType,
  bytes: Uint8Array,
  count: number,
  out: Float32Array,
): void {
  if (type === 'F32') {
    out.set(new Float32Array(bytes.buffer, bytes.byteOffset, count));
    return;
  }
  const words = new Uint16Array(bytes.buffer, bytes.byteOffset, count);
  if (type === 'F16') {
    const table = halfTable();
    for (let i = 0; i < count; i++) out[i] = table[words[i] as number] as number;
    return;
  }
  // bfloat16 is the upper half of a float32.
  const bits = new Uint32Array(out.buffer, out.byteOffset, count);
  for (let i = 0; i < count; i++) bits[i] = (words[i] as number) << 16;
}

/** True when no value is NaN or infinite: those have all exponent bits set. */
export function allFinite(values: Float32Array, count: number): boolean {
  const bits = new Uint32Array(values.buffer, values.byteOffset, count);
  for (let i = 0; i < count; i++) {
    if (((bits[i] as number) & 0x7f800000) === 0x7f800000) return false;
  }
  return true;
}
