import { SafetensorsFile } from '../../src/model/safetensors.ts';
import { codedOnly, ensure, scratchFile } from '../expect.ts';

/** A weights file, header and data. */
export const name = 'safetensors';

type Entry = { dtype: string; shape: number[]; data_offsets: number[] };

function file(header: Record<string, unknown> | string, data: Uint8Array, length?: bigint): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([prefix, text, data]);
}

export function seeds(): Buffer[] {
  const one = (entry: Entry) => ({ t: entry });
  return [
    file(one({ dtype: 'F32', shape: [2, 2], data_offsets: [0, 16] }), Buffer.alloc(16, 1)),
    file(one({ dtype: 'BF16', shape: [1, 3], data_offsets: [0, 6] }), Buffer.alloc(6, 2)),
    file(
      {
        __metadata__: { format: 'pt' },
        a: { dtype: 'F16', shape: [2], data_offsets: [0, 4] },
        b: { dtype: 'I8', shape: [], data_offsets: [4, 5] },
      },
      Buffer.alloc(5, 3),
    ),
    file(one({ dtype: 'F32', shape: [0, 9], data_offsets: [0, 0] }), Buffer.alloc(0)),
    file(one({ dtype: 'F64', shape: [2 ** 31, 2 ** 31], data_offsets: [0, 8] }), Buffer.alloc(8)),
    file('{}', Buffer.alloc(0), 2n ** 63n),
    file(`{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, Buffer.alloc(1)),
    file('['.repeat(300), Buffer.alloc(0)),
  ];
}

export function fuzz(data: Buffer): void {
  const path = scratchFile('model.safetensors', data);
  const opened = codedOnly(() => new SafetensorsFile(path));
  if (opened === undefined) return;
  try {
    let bytes = 0;
    for (const [tensor, { shape, begin, end }] of opened.tensors) {
      ensure(begin <= end && 8 + opened.header.length + end <= data.length, 'ranges lie inside');
      bytes += end - begin;
      const width = shape.at(-1) ?? 1;
      const rows = width === 0 ? 0 : shape.reduce((all, side) => all * side, 1) / width;
      ensure(Number.isSafeInteger(rows) && rows * width <= data.length, 'shapes are as large');
      codedOnly(() => opened.readRows(tensor, 0, rows, new Float32Array(rows * width)));
    }
    ensure(8 + opened.header.length + bytes === data.length, 'ranges tile the file');
  } finally {
    opened.close();
  }
}
