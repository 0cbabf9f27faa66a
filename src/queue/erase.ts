import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock, Logger } from '../core/index.ts';
import { movedAsideFiles } from './database.ts';
import { openJournal } from './journal.ts';
import type { EraseCounts } from './types.ts';

/**
 * Erases everything at `path` while no daemon runs: the journal's content and damaged journals that
 * were moved aside. Throws a JournalError `locked` while a daemon has it open. Where there is nothing,
 * nothing is created.
 */
export function eraseJournal(options: { path: string; clock: Clock; logger: Logger }): EraseCounts {
  const { path } = options;
  const present = existsSync(path) || existsSync(`${path}-wal`);
  if (!present && (!existsSync(dirname(path)) || movedAsideFiles(path).length === 0)) {
    return { prompts: 0, answers: 0, sessions: 0 };
  }
  // Bounds that nothing is dropped for before it is counted.
  const limits = {
    maxDepth: 0,
    maxBytes: Number.MAX_SAFE_INTEGER,
    retentionMs: Number.MAX_SAFE_INTEGER,
    dedupeWindowMs: 0,
    maxAttempts: 0,
  };
  const journal = openJournal({ ...options, limits });
  try {
    return journal.erase();
  } finally {
    journal.close();
  }
}
