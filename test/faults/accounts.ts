import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TerminalFrame } from '../../src/protocol/index.ts';

/** A log line is written a little after what it tells of, and the machine may be busy in between. */
const LOG_DELAY_MS = 250;

/** Answers that say "not accepted": nothing is stored of them, so a second try may be answered differently. */
const REFUSALS = new Set(['deadline_unmeetable', 'queue_full', 'model_unavailable', 'expired']);

export type Asked = { id: string; deadlineMs: number | null };

export type Accounts = {
  /** Reads a log as one daemon wrote it in its life, and the journal that it left behind. */
  afterLife(log: string, journalPath: string): void;
  /** What is wrong, in sentences; empty when every account closes. */
  faults(asked: Asked[], terminals: (id: string) => string[]): string[];
  /** How often each kind of end came. */
  ends(asked: Asked[], terminals: (id: string) => string[]): Record<string, number>;
  totals(): { accepted: number; begun: number; stored: number };
};

type Line = { time?: string; id?: string; msg?: string };

function* linesOf(log: string): Generator<Line> {
  for (const line of log.split('\n')) {
    if (!line.startsWith('{')) continue;
    try {
      yield JSON.parse(line) as Line;
    } catch {
      // The kill cut this line off.
    }
  }
}

/**
 * Keeps the books of a daemon that is killed over and over. It does not believe the daemon: what was
 * stored is read from the journal's files between two lives, and what was run from log lines, which are
 * written synchronously.
 */
export function createAccounts(): Accounts {
  /** Answers on disk, by id. */
  const stored = new Map<string, string>();
  const acceptedAtMs = new Map<string, number>();
  const faults: string[] = [];
  const begunAtMs = new Map<string, number[]>();
  const answeredInLog = new Set<string>();

  return {
    afterLife(log, journalPath) {
      for (const { time, id, msg } of linesOf(log)) {
        if (id === undefined || time === undefined) continue;
        const atMs = Date.parse(time);
        if (msg === 'prompt accepted' && !acceptedAtMs.has(id)) acceptedAtMs.set(id, atMs);
        if (msg === 'prompt answered') answeredInLog.add(id);
        if (msg !== 'prompt begins') continue;
        begunAtMs.set(id, [...(begunAtMs.get(id) ?? []), atMs]);
        // `stored` is as the life before this one left it.
        if (stored.has(id) || answeredInLog.has(id)) {
          faults.push(`${id} was run again although its answer was stored`);
        }
      }
      for (const [id, text] of storedAnswers(journalPath)) {
        const before = stored.get(id);
        if (before !== undefined && before !== text) {
          faults.push(`the stored answer of ${id} became another: ${before} / ${text}`);
        }
        stored.set(id, text);
      }
      for (const id of answeredInLog) {
        if (!stored.has(id)) faults.push(`${id} was answered but its answer is not on disk`);
      }
    },
    faults(asked, terminals) {
      const found = [...faults];
      for (const { id, deadlineMs } of asked) {
        const frames = terminals(id);
        if (frames.length === 0) found.push(`${id} has no terminal frame`);
        const answers = new Set(frames.filter((frame) => !isRefusal(frame)));
        const onDisk = stored.get(id);
        if (onDisk !== undefined) answers.add(onDisk);
        if (answers.size > 1) found.push(`copies of ${id} differ: ${[...answers].join(' / ')}`);
        const acceptedMs = acceptedAtMs.get(id);
        if (acceptedMs === undefined || deadlineMs === null) continue;
        const lateMs = Math.max(...(begunAtMs.get(id) ?? [])) - acceptedMs - deadlineMs;
        if (lateMs > LOG_DELAY_MS) found.push(`${id} was run ${lateMs} ms after it had expired`);
      }
      for (const id of acceptedAtMs.keys()) {
        if (!stored.has(id)) found.push(`${id} was accepted and has no stored answer`);
      }
      return found;
    },
    ends(asked, terminals) {
      const ends: Record<string, number> = {};
      for (const { id } of asked) {
        const last = terminals(id).at(-1);
        const end = last === undefined ? 'none' : endOf(last);
        ends[end] = (ends[end] ?? 0) + 1;
      }
      return ends;
    },
    totals: () => ({
      accepted: new Set([...acceptedAtMs.keys(), ...stored.keys()]).size,
      begun: [...begunAtMs.values()].reduce((sum, times) => sum + times.length, 0),
      stored: stored.size,
    }),
  };
}

function endOf(payload: string): string {
  const frame = JSON.parse(payload) as TerminalFrame;
  return frame.type === 'done' ? 'done' : frame.error.code;
}

const isRefusal = (payload: string) => REFUSALS.has(endOf(payload));

/** Answers in a journal that nobody has open, read from a copy: opening the files themselves would change them. */
function* storedAnswers(path: string): Generator<[id: string, text: string]> {
  const folder = mkdtempSync(join(tmpdir(), 'twowatt-books-'));
  try {
    for (const suffix of ['', '-wal']) {
      if (existsSync(path + suffix)) cpSync(path + suffix, join(folder, `copy${suffix}`));
    }
    const database = new DatabaseSync(join(folder, 'copy'));
    try {
      const rows = database
        .prepare('SELECT id, text FROM prompt JOIN content USING (seq) WHERE state = 3')
        .all() as { id: string; text: string }[];
      for (const { id, text } of rows) yield [id, text];
    } finally {
      database.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
