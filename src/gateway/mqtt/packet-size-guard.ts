/**
 * Follows the fixed headers of an MQTT byte stream (section 2.2: one byte of type and flags, then
 * the remaining length in one to four bytes of seven bits each, lowest first).
 */
export function createPacketSizeGuard(maxPacketBytes: number): {
  /** False once a packet is announced that is too large, or a header that no packet can have. */
  accepts(chunk: Uint8Array): boolean;
} {
  let state: 'type' | 'length' | 'body' = 'type';
  let remaining = 0;
  let multiplier = 1;
  let broken = false;

  return {
    accepts(chunk) {
      let at = 0;
      while (!broken && at < chunk.length) {
        if (state === 'body') {
          const step = Math.min(remaining, chunk.length - at);
          remaining -= step;
          at += step;
          if (remaining === 0) state = 'type';
          continue;
        }
        const byte = chunk[at] ?? 0;
        at += 1;
        if (state === 'type') {
          state = 'length';
          remaining = 0;
          multiplier = 1;
          continue;
        }
        remaining += (byte & 0x7f) * multiplier;
        multiplier *= 128;
        if (byte >= 0x80) {
          broken = multiplier > 128 ** 3;
          continue;
        }
        broken = remaining > maxPacketBytes;
        state = remaining === 0 ? 'type' : 'body';
      }
      return !broken;
    },
  };
}
