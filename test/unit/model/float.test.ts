import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allFinite, decodeFloats, type FloatType } from '../../../src/model/float.ts';

function decode(type: FloatType, bits: Uint16Array): Float32Array {
  const out = new Float32Array(bits.length);
  decodeFloats(type, new Uint8Array(bits.buffer), bits.length, out);
  return out;
}

describe('decodeFloats', () => {
  it("agrees with the language's own half floats on every bit pattern", () => {
    const { Float16Array: Halves } = globalThis as unknown as {
      Float16Array: new (buffer: ArrayBuffer) => Iterable<number>;
    };
    const bits = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
    expect([...decode('F16', bits)]).toEqual([...new Halves(bits.buffer)]);
  });

  it.each([
    ['smallest subnormal', 0x0001, 2 ** -24],
    ['largest subnormal', 0x03ff, 1023 * 2 ** -24],
    ['smallest normal', 0x0400, 2 ** -14],
    ['one', 0x3c00, 1],
    ['minus two', 0xc000, -2],
    ['largest', 0x7bff, 65504],
    ['minus zero', 0x8000, -0],
    ['infinity', 0x7c00, Infinity],
  ])('decodes the half float %s', (_name, bits, value) => {
    expect(decode('F16', Uint16Array.of(bits))[0]).toBe(value);
  });

  it('takes bfloat16 as the upper half of a float32', () => {
    fc.assert(
      fc.property(fc.uint16Array({ minLength: 1, maxLength: 64 }), (bits) => {
        const view = new DataView(new ArrayBuffer(4));
        const expected = [...bits].map((half) => {
          view.setUint16(0, half);
          return view.getFloat32(0);
        });
        expect([...decode('BF16', Uint16Array.from(bits))]).toEqual(expected);
      }),
    );
  });

  it('passes float32 through', () => {
    fc.assert(
      fc.property(fc.float32Array({ minLength: 1, maxLength: 64 }), (values) => {
        const copy = Float32Array.from(values);
        const out = new Float32Array(copy.length);
        decodeFloats('F32', new Uint8Array(copy.buffer), copy.length, out);
        expect(out).toEqual(copy);
      }),
    );
  });
});

describe('allFinite', () => {
  it('finds exactly what is NaN or infinite, and looks no further than it should', () => {
    fc.assert(
      fc.property(fc.float32Array({ maxLength: 40 }), fc.nat(40), (values, wanted) => {
        const count = Math.min(wanted, values.length);
        const expected = values.subarray(0, count).every((value) => Number.isFinite(value));
        expect(allFinite(Float32Array.from(values), count)).toBe(expected);
      }),
    );
  });
});
