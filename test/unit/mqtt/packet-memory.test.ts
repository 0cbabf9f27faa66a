import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { generate, writeToStream } from 'mqtt-packet';
import { expect, it } from 'vitest';
import { boundPacketMemory } from '../../../src/gateway/mqtt/packet-memory.ts';

const LENGTHS = 2000;
const MB = 1024 * 1024;

it('keeps little of the packets that were written, however many lengths they had', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  boundPacketMemory();
  expect(writeToStream.cacheNumbers).toBe(false);
  collect();
  const before = process.memoryUsage().arrayBuffers;
  for (let length = 1; length <= LENGTHS; length += 1) {
    generate({
      cmd: 'publish',
      topic: 't',
      payload: Buffer.alloc(length),
      qos: 1,
      messageId: length,
      dup: false,
      retain: false,
    });
    // (Without the bound: 125 MB.) What else goes on: a slab of 64 KiB, as Node's own are, would be used up between two packets.
    for (let i = 0; i < 260; i += 1) Buffer.from('x'.repeat(300));
  }
  // The second begins when the first one's buffers, which another thread frees, are gone.
  collect();
  collect();
  expect((process.memoryUsage().arrayBuffers - before) / MB).toBeLessThan(4);
});
