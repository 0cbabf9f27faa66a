import { type ErrorCode, isErrno, TwowattError } from '../core/index.ts';

/**
 * What kept the journal from doing its work. `disk_full`, `read_only` and `io` may pass: the caller
 * tries again. `locked`: another process holds the journal. `newer_schema` and `foreign`: the file is
 * not this version's journal and is left untouched.
 */
export type JournalProblem =
  | 'locked'
  | 'disk_full'
  | 'read_only'
  | 'io'
  | 'corrupt'
  | 'newer_schema'
  | 'foreign'
  | 'unknown_prompt'
  | 'closed';

export class JournalError extends TwowattError {
  readonly problem: JournalProblem;

  constructor(problem: JournalProblem, message: string, cause?: unknown, code?: ErrorCode) {
    super(code ?? 'internal', message, { param: 'queue.path', cause });
    this.name = 'JournalError';
    this.problem = problem;
  }

  /** The same problem as a refused prompt sees it: trying again later can help. */
  asRefusal(): JournalError {
    return new JournalError(this.problem, this.message, this.cause, 'queue_full');
  }
}

/** Primary result codes of SQLite (sqlite.org/rescode.html); extended codes keep them in the low byte. */
const BY_RESULT_CODE: Record<number, JournalProblem> = {
  5: 'locked',
  6: 'locked',
  8: 'read_only',
  10: 'io',
  11: 'corrupt',
  13: 'disk_full',
  14: 'io',
  26: 'corrupt',
};

/** The code of errors without one of their own. A changed byte of the header or the schema ends in it. */
const SQLITE_ERROR = 1;
const DAMAGED =
  /unsupported file format|no such (table|column|index)|duplicate column|already exists|database schema/;

const SENTENCES: Record<JournalProblem, string> = {
  locked: 'another process has it open (is the daemon running?); stop that one first',
  disk_full: 'the disk is full',
  read_only: 'the file or its file system is read-only',
  io: 'reading or writing it failed',
  corrupt: 'its content is damaged',
  newer_schema: 'it was written by a newer twowatt',
  foreign: 'it is an SQLite database of something else',
  unknown_prompt: 'it holds no such prompt',
  closed: 'it is closed',
};

function problemOf(thrown: unknown): JournalProblem | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const errcode = (thrown as { errcode?: unknown }).errcode;
  if (typeof errcode === 'number') {
    const isDamage = (errcode & 0xff) === SQLITE_ERROR && DAMAGED.test(thrown.message);
    return isDamage ? 'corrupt' : BY_RESULT_CODE[errcode & 0xff];
  }
  if (isErrno(thrown, 'ENOSPC', 'EDQUOT')) return 'disk_full';
  if (isErrno(thrown, 'EROFS', 'EACCES', 'EPERM')) return 'read_only';
  if (isErrno(thrown, 'EIO', 'ENOTDIR', 'EISDIR', 'EEXIST', 'ENOENT')) return 'io';
  if (isErrno(thrown, 'ERR_INVALID_STATE')) return 'closed';
  return undefined;
}

/** Errors of SQLite and the file system as a JournalError; anything else comes back as it was. */
export function toJournalError(thrown: unknown, path: string): unknown {
  const problem = problemOf(thrown);
  if (problem === undefined) return thrown;
  const detail = thrown instanceof Error ? ` (${thrown.message})` : '';
  return new JournalError(problem, `the journal ${path}: ${SENTENCES[problem]}${detail}`, thrown);
}
