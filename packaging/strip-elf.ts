/**
 * Takes symbols and debug sections off an ELF file, as `strip` does: 18 MB of Node's 127. Debian's
 * `strip` knows only its own machine's files, and packages for arm64 are built on x64.
 */

const HEADER = { shoff: 0x28, shentsize: 0x3a, shnum: 0x3c, shstrndx: 0x3e } as const;
const SECTION = { name: 0, type: 4, flags: 8, address: 16, offset: 24, size: 32 } as const;
const SECTION_BYTES = 64;
const NO_BITS = 8;
const ALLOCATED = 2n;
const ALIGNMENT = 8;

export const isElf = (bytes: Buffer): boolean =>
  bytes.length > 64 && bytes.readUInt32BE(0) === 0x7f454c46;

/**
 * The same program without sections that are never loaded. What is loaded keeps every byte and every
 * offset: only the tail of the file is cut, and a shorter section table put there.
 *
 * @returns the input itself when there is nothing to take off
 * @throws Error for files other than 64-bit little-endian ELF, or with a layout that this cannot cut
 */
export function stripElf(input: Buffer): Buffer {
  if (!isElf(input) || input[4] !== 2 || input[5] !== 1) {
    throw new Error('strip: expected a 64-bit little-endian ELF file');
  }
  const tableAt = Number(input.readBigUInt64LE(HEADER.shoff));
  const count = input.readUInt16LE(HEADER.shnum);
  if (count === 0 || input.readUInt16LE(HEADER.shentsize) !== SECTION_BYTES) {
    throw new Error('strip: expected a section table');
  }
  const sections = Array.from({ length: count }, (_, index) =>
    input.subarray(tableAt + index * SECTION_BYTES, tableAt + (index + 1) * SECTION_BYTES),
  );
  const isKept = (section: Buffer, index: number) =>
    index === 0 || (section.readBigUInt64LE(SECTION.flags) & ALLOCATED) !== 0n;
  // Sections name each other by number, so the kept ones have to be the first ones.
  const kept = sections.filter(isKept);
  if (!sections.slice(0, kept.length).every(isKept)) {
    throw new Error('strip: sections that are loaded come after sections that are not');
  }
  const dropsOnlyNames = count === kept.length + 1;
  if (dropsOnlyNames) return input;

  const namesSection = sections[input.readUInt16LE(HEADER.shstrndx)];
  if (namesSection === undefined) throw new Error('strip: no section names');
  const nameOf = (section: Buffer) => {
    const start =
      Number(namesSection.readBigUInt64LE(SECTION.offset)) + section.readUInt32LE(SECTION.name);
    return input.toString('latin1', start, input.indexOf(0, start));
  };
  const loadedEnd = Math.max(...kept.map(endInFile), endOfSegments(input));
  if (sections.slice(kept.length).some((section) => startInFile(section) < loadedEnd)) {
    throw new Error('strip: sections that are not loaded lie between those that are');
  }

  const names = Buffer.from(`${[...kept.map(nameOf), '.shstrtab'].join('\0')}\0`, 'latin1');
  const table = Buffer.alloc((kept.length + 1) * SECTION_BYTES);
  let nameAt = 0;
  for (const [index, section] of kept.entries()) {
    section.copy(table, index * SECTION_BYTES);
    table.writeUInt32LE(nameAt, index * SECTION_BYTES + SECTION.name);
    nameAt += nameOf(section).length + 1;
  }
  const last = table.subarray(kept.length * SECTION_BYTES);
  namesSection.copy(last);
  last.writeUInt32LE(nameAt, SECTION.name);
  last.writeBigUInt64LE(BigInt(loadedEnd), SECTION.offset);
  last.writeBigUInt64LE(BigInt(names.length), SECTION.size);

  const newTableAt = Math.ceil((loadedEnd + names.length) / ALIGNMENT) * ALIGNMENT;
  const output = Buffer.alloc(newTableAt + table.length);
  input.copy(output, 0, 0, loadedEnd);
  names.copy(output, loadedEnd);
  table.copy(output, newTableAt);
  output.writeBigUInt64LE(BigInt(newTableAt), HEADER.shoff);
  output.writeUInt16LE(kept.length + 1, HEADER.shnum);
  output.writeUInt16LE(kept.length, HEADER.shstrndx);
  return output;
}

const startInFile = (section: Buffer): number =>
  section.readUInt32LE(SECTION.type) === NO_BITS
    ? Number.POSITIVE_INFINITY
    : Number(section.readBigUInt64LE(SECTION.offset));

const endInFile = (section: Buffer): number =>
  section.readUInt32LE(SECTION.type) === NO_BITS
    ? 0
    : Number(section.readBigUInt64LE(SECTION.offset) + section.readBigUInt64LE(SECTION.size));

/** The last byte that a program header maps into memory. */
function endOfSegments(input: Buffer): number {
  const at = Number(input.readBigUInt64LE(0x20));
  const bytes = input.readUInt16LE(0x36);
  const ends = Array.from({ length: input.readUInt16LE(0x38) }, (_, index) => {
    const header = input.subarray(at + index * bytes);
    return Number(header.readBigUInt64LE(8) + header.readBigUInt64LE(32));
  });
  return Math.max(0, ...ends);
}
