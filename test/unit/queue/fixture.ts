import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import {
  type Journal,
  type JournalLimits,
  type JournalOptions,
  type NewPrompt,
  openJournal,
} from '../../../src/queue/index.ts';
import { createVirtualClock, type VirtualClock } from '../../fakes/virtual-clock.ts';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const YEAR_MS = 365 * 24 * HOUR_MS;

export const LIMITS: JournalLimits = {
  maxDepth: 100,
  maxBytes: 1_000_000,
  retentionMs: 24 * HOUR_MS,
  dedupeWindowMs: 5 * MINUTE_MS,
  maxAttempts: 3,
};

/** A folder of this test's own, removed after it. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'twowatt-queue-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export type Bench = {
  path: string;
  clock: VirtualClock;
  /** The journal as it is open now. */
  journal: Journal;
  reopen(): void;
};

/** A journal on disk whose time stands still until the test moves it. */
export function openBench(
  limits: Partial<JournalLimits> = {},
  options: Partial<JournalOptions> = {},
): Bench {
  const clock = createVirtualClock();
  const path = join(temporaryFolder(), 'journal.sqlite');
  const open = () =>
    openJournal({
      path,
      clock,
      limits: { ...LIMITS, ...limits },
      logger: silentLogger,
      ...options,
    });
  const bench: Bench = {
    path,
    clock,
    journal: open(),
    reopen() {
      bench.journal.close();
      bench.journal = open();
    },
  };
  onTestFinished(() => bench.journal.close());
  return bench;
}

export function prompt(id: string, fields: Partial<NewPrompt> = {}): NewPrompt {
  return {
    id,
    idGenerated: false,
    reply: {
      kind: 'mqtt',
      topic: `reply/${id}`,
      format: 'frames',
      correlation: null,
      userProperties: null,
    },
    bodyHash: `hash of ${id}`,
    body: `{"id":"${id}"}`,
    session: null,
    priority: 5,
    deadlineMs: null,
    delivery: null,
    ...fields,
  };
}

/** Accepts a prompt that must be new; returns its seq. */
export function acceptNew(journal: Journal, id: string, fields: Partial<NewPrompt> = {}): number {
  const result = journal.accept(prompt(id, fields));
  if (result.kind !== 'accepted') throw new Error(`${id} was not accepted: ${result.kind}`);
  return result.seq;
}

/** Claims everything there is; returns the ids in order. */
export function claimAll(journal: Journal): string[] {
  const ids: string[] = [];
  for (let next = journal.claim(); next; next = journal.claim()) ids.push(next.id);
  return ids;
}
