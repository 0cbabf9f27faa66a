import { existsSync, readFileSync, statSync } from 'node:fs';

/** SQLite's write-ahead log, sqlite.org/fileformat2.html#walformat. */
const LOG_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC = 0x377f0682;

type Sums = readonly [number, number];

/** The running checksum over a multiple of 8 bytes, in the byte order that the magic number names. */
function addTo([first, second]: Sums, bytes: DataView, littleEndian: boolean): Sums {
  let a = first;
  let b = second;
  for (let at = 0; at < bytes.byteLength; at += 8) {
    a = (a + bytes.getUint32(at, littleEndian) + b) | 0;
    b = (b + bytes.getUint32(at + 4, littleEndian) + a) | 0;
  }
  return [a, b];
}

const view = (log: Buffer, from: number, bytes: number) =>
  new DataView(log.buffer, log.byteOffset + from, bytes);
const sumsAt = (log: Buffer, at: number): Sums => [log.readInt32BE(at), log.readInt32BE(at + 4)];
const same = (one: Sums, other: Sums) => one[0] === other[0] && one[1] === other[1];

/**
 * What is wrong with the log beside a database that nobody writes to; undefined when nothing is.
 *
 * SQLite reads a log up to the first frame whose checksum is wrong and forgets the rest without a word:
 * after a power cut that is the torn end of it. But a flipped bit in the middle loses what was synced
 * after it just as silently. The two differ: behind a torn end nothing valid follows, behind damage
 * transactions do. A log that was cut off cannot be told from one that was never longer.
 */
export function logFault(path: string): string | undefined {
  const file = `${path}-wal`;
  if (!existsSync(file) || statSync(file).size < LOG_HEADER_BYTES + FRAME_HEADER_BYTES) {
    return undefined;
  }
  const log = readFileSync(file);
  const magic = log.readUInt32BE(0);
  const littleEndian = (magic & 1) === 0;
  const pageBytes = log.readUInt32BE(8);
  let sums = addTo([0, 0], view(log, 0, LOG_HEADER_BYTES - 8), littleEndian);
  if ((magic & ~1) !== MAGIC || !same(sums, sumsAt(log, LOG_HEADER_BYTES - 8))) {
    return 'the head of its log is damaged, the log cannot be read';
  }
  const salts = sumsAt(log, 16);
  const frameBytes = FRAME_HEADER_BYTES + pageBytes;
  const frames = Math.floor((log.length - LOG_HEADER_BYTES) / frameBytes);
  let firstBad: number | undefined;
  let lostCommits = 0;
  for (let frame = 0; frame < frames; frame += 1) {
    const at = LOG_HEADER_BYTES + frame * frameBytes;
    const head = addTo(sums, view(log, at, 8), littleEndian);
    const own = addTo(head, view(log, at + FRAME_HEADER_BYTES, pageBytes), littleEndian);
    const written = sumsAt(log, at + 16);
    const valid = same(sumsAt(log, at + 8), salts) && same(own, written);
    if (!valid) firstBad ??= frame;
    // The fifth byte on is the size of the database after a commit, 0 within a transaction.
    else if (firstBad !== undefined && log.readUInt32BE(at + 4) !== 0) lostCommits += 1;
    // Each frame's checksum begins where the one before it ended, as written there.
    sums = written;
  }
  if (firstBad === undefined || lostCommits === 0) return undefined;
  return `its log is damaged at frame ${firstBad + 1} of ${frames}, ${lostCommits} writes behind it are lost`;
}

/** Whether a log with something in it is there. */
export function hasLog(path: string): boolean {
  return (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
}
