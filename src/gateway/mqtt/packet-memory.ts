import { writeToStream } from 'mqtt-packet';

/** Bytes of the slabs that small Buffers are cut from. Node's own are of 64 KiB. */
const SLAB_BYTES = 1024;

/**
 * For a process that lives for months on a small board. mqtt-packet otherwise keeps a Buffer for every packet
 * id (65,536 of them, 7 MB), and keeps one for every length of a packet that it has ever written: each holds
 * on to the whole slab that it was cut from, which would be up to 64 KiB per length for ever.
 */
export function boundPacketMemory(): void {
  writeToStream.cacheNumbers = false;
  Buffer.poolSize = SLAB_BYTES;
}
