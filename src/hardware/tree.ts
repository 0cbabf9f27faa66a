import { closeSync, constants, openSync, readdirSync, readSync } from 'node:fs';
import { isErrno } from '../core/index.ts';

/** Kernel attributes fit into one page; a larger file is none of them. */
const LARGEST_ATTRIBUTE_BYTES = 4096;

/** Opening never waits: without this a FIFO in a prepared tree would hold up the process. */
const READ_WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK;

/** One for all readings: they are synchronous, so no two are ever under way. */
const page = Buffer.alloc(LARGEST_ATTRIBUTE_BYTES);

export type FileText = { ok: true; text: string } | { ok: false; reason: string };

function whyNot(path: string, error: unknown): string {
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) return `${path} does not exist`;
  if (isErrno(error, 'EACCES', 'EPERM')) return `no permission to read ${path}`;
  return `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

/** Reads a kernel attribute, or a file that plays one; never throws. At most `maxBytes` are read. */
export function readAttribute(path: string, maxBytes = LARGEST_ATTRIBUTE_BYTES): FileText {
  try {
    const descriptor = openSync(path, READ_WITHOUT_WAITING);
    try {
      const bytes = maxBytes <= page.length ? page : Buffer.alloc(maxBytes);
      const length = readSync(descriptor, bytes, 0, maxBytes, null);
      return { ok: true, text: bytes.toString('utf8', 0, length) };
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    return { ok: false, reason: whyNot(path, error) };
  }
}

/** Like readAttribute, for what is either there or not worth a word; blanks at the ends are dropped. */
export function attributeOr<Missing>(path: string, missing: Missing): string | Missing {
  const read = readAttribute(path);
  return read.ok ? read.text.trim() : missing;
}

/** Names in a folder, in the order of their numbers (`thermal_zone10` after `thermal_zone9`). */
export function listFolder(path: string): string[] {
  try {
    return readdirSync(path).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  } catch {
    return [];
  }
}
