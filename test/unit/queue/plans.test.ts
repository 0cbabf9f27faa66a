import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { MIGRATIONS } from '../../../src/queue/schema.ts';
import { SQL } from '../../../src/queue/statements.ts';
import { acceptNew, openBench } from './fixture.ts';

function plansOf(sql: string): string[] {
  const database = new DatabaseSync(':memory:');
  for (const migration of MIGRATIONS) database.exec(migration);
  const rows = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all();
  database.close();
  return rows.map((row) => String(row['detail']));
}

/** Statements on the way of a prompt, and the index that each walks. */
const WALKS: Partial<Record<keyof typeof SQL, string>> = {
  nextReady: 'prompt_ready',
  ready: 'prompt_ready',
  oldestReady: 'prompt_ready',
  newestById: 'prompt_by_id',
  newestByPacket: 'prompt_by_packet',
  activeById: 'prompt_by_id',
  sessionIsBusy: 'prompt_of_session',
  sessionHead: 'prompt_of_session',
  sessionAhead: 'prompt_of_session',
  expired: 'prompt_expiry',
  nextExpiry: 'prompt_expiry',
  unsent: 'prompt_answered',
  oldestSent: 'prompt_answered',
  answeredBefore: 'prompt_answered',
};

describe('query plans', () => {
  it.each(Object.entries(WALKS))('%s walks %s', (name, index) => {
    const plans = plansOf(SQL[name as keyof typeof SQL]);
    expect(plans.some((plan) => plan.includes(index))).toBe(true);
    for (const plan of plans) {
      // A walk along an ordered partial index is named SCAN … USING INDEX; a bare SCAN reads every row.
      expect(plan).not.toMatch(/^SCAN \w+$/);
    }
  });

  it.each([
    'nextReady',
    'ready',
    'oldestReady',
    'unsent',
    'oldestSent',
    'expired',
    'nextExpiry',
  ] as const)('%s needs no sorting', (name) => {
    expect(plansOf(SQL[name]).join('\n')).not.toContain('TEMP B-TREE');
  });

  it('cover every query of one prompt: the rest reads by key, or all rows at open only', () => {
    const byKeyOrAtOpen = new Set(['readKeeper', 'activeTotals', 'answerTotals', 'sessionTotals']);
    const selects = Object.entries(SQL).filter(
      ([name, sql]) => sql.startsWith('SELECT') && !(name in WALKS) && !byKeyOrAtOpen.has(name),
    );
    for (const [name, sql] of selects) {
      if (name === 'oldestSessions') continue; // Small rows; read when a share overflows, and once a minute.
      for (const plan of plansOf(sql)) expect(`${name}: ${plan}`).toMatch(/SEARCH/);
    }
    expect(selects.length).toBeGreaterThan(2);
  });
});

it('orders 1,000 waiting prompts of mixed priorities and sessions as it orders ten', () => {
  const { journal } = openBench({ maxDepth: 1000 });
  for (let n = 0; n < 1000; n += 1) {
    const session = n % 2 === 0 ? `s${n % 10}` : null;
    acceptNew(journal, `p${n}`, { priority: n % 10, session });
  }
  const claimed = Array.from({ length: 7 }, () => journal.claim()?.id);
  // Odd numbers have no session; of the five sessions only the oldest prompt is free.
  expect(claimed).toEqual(['p9', 'p19', 'p29', 'p39', 'p49', 'p59', 'p69']);
  for (let n = 9; n <= 69; n += 10) journal.complete(n + 1, 'done');
  expect(journal.counts()).toMatchObject({ depth: 993, unsent: 7 });
});
