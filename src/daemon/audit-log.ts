import { randomBytes } from 'node:crypto';
import { appendFileSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno, type Logger, writeFileAtomic } from '../core/index.ts';
import type { AuditRecord } from '../router/privacy/index.ts';

const FILE = 'audit.jsonl';
const SALT_FILE = 'audit-salt';
const SALT_BYTES = 32;
/** Two files of this size are kept: about ten thousand prompts. */
const MOST_BYTES = 2 * 1024 * 1024;

export type AuditLog = { salt: Uint8Array; append(record: AuditRecord): void };

/** Which way each prompt went, one line of JSON each, without any text; bounded. */
export function openAuditLog(stateFolder: string, logger: Logger): AuditLog {
  const path = join(stateFolder, FILE);
  let failed = false;
  return {
    salt: readSalt(join(stateFolder, SALT_FILE)),
    append(record) {
      try {
        if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > MOST_BYTES) {
          renameSync(path, `${path}.1`);
        }
        appendFileSync(path, `${JSON.stringify(record)}\n`, { mode: 0o600 });
        failed = false;
      } catch (error) {
        // Answers matter more; said once, not for every prompt.
        if (!failed) logger.error({ error }, 'the audit log cannot be written');
        failed = true;
      }
    },
  };
}

function readSalt(path: string): Uint8Array {
  try {
    const salt = readFileSync(path);
    if (salt.length >= SALT_BYTES) return salt;
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  const salt = randomBytes(SALT_BYTES);
  writeFileAtomic(path, salt);
  return salt;
}
