import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { createSystemClock, silentLogger } from '../../../src/core/index.ts';
import { openJournal } from '../../../src/queue/index.ts';
import { LIMITS, prompt, temporaryFolder } from '../../unit/queue/fixture.ts';

const CHILD = resolve(import.meta.dirname, 'crash-child.ts');
const KILLS = 32;

type Known = { seq: number; id: string; answer: string | null; attempts: number };

/** Runs a child until it has said `lines` lines and then a moment longer, and kills it. */
async function runAndKill(path: string, prefix: string, lines: number): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, path, prefix], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  const closed = once(child, 'close');
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
    // Some microseconds of grace put the kill between, and into, system calls of all kinds.
    if (said.split('\n').length > lines) {
      setTimeout(() => child.kill('SIGKILL'), Math.random() * 4);
    }
  });
  const [, signal] = (await closed) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
  return said.split('\n').slice(0, -1);
}

function note(known: Map<number, Known>, line: string): void {
  const [step, seqText = '', ...words] = line.split(' ');
  const seq = Number(seqText);
  if (step === 'accepted') {
    expect(known.has(seq), `seq ${seq} was given twice`).toBe(false);
    known.set(seq, { seq, id: words.join(' '), answer: null, attempts: 0 });
    return;
  }
  if (step === 'open') return;
  // A prompt that was stored just before a kill, unsaid, shows up first when it is claimed.
  const entry = known.get(seq) ?? { seq, id: words[0] ?? '', answer: null, attempts: 0 };
  known.set(seq, entry);
  if (step === 'claimed') {
    expect(entry.answer, `${entry.id} ran again after its answer was stored`).toBeNull();
    const attempts = Number(words[1]);
    expect(attempts, `${entry.id}: begun runs were forgotten`).toBeGreaterThan(entry.attempts);
    entry.attempts = attempts;
  } else {
    expect(step).toBe('answered');
    entry.answer = words.join(' ');
  }
}

it(`keeps every acknowledged step over ${KILLS} kills at random moments`, async () => {
  const path = join(temporaryFolder(), 'journal.sqlite');
  const known = new Map<number, Known>();
  const damaged: string[] = [];
  for (let kill = 0; kill < KILLS; kill += 1) {
    const lines = await runAndKill(path, `life${kill}`, 1 + Math.floor(Math.random() * 60));
    for (const line of lines) note(known, line);

    const journal = openJournal({
      path,
      clock: createSystemClock(),
      logger: silentLogger,
      limits: { ...LIMITS, maxDepth: 1, maxBytes: 50_000_000 },
      onCorrupt: ({ reason }) => damaged.push(reason),
    });
    const sendable = new Map(journal.unsent(100_000).map(({ seq, payload }) => [seq, payload]));
    for (const entry of known.values()) {
      const [active] = journal.findActive(entry.id);
      if (active !== undefined) {
        // Without this an acknowledged answer might have been lost and the prompt be due again.
        expect(entry.answer, `the answer of ${entry.id}`).toBeNull();
        expect(active.state).toBe('waiting');
        expect(active.prompt.attempts).toBeGreaterThanOrEqual(entry.attempts);
        continue;
      }
      // Not active: then its answer must be there, and be the one that was acknowledged.
      const stored = journal.complete(entry.seq, 'computed a second time');
      expect(stored.payload).toMatch(`answer ${entry.id} by `);
      if (entry.answer !== null) expect(stored.payload).toBe(entry.answer);
      entry.answer = stored.payload;
      if (sendable.has(entry.seq)) expect(sendable.get(entry.seq)).toBe(stored.payload);
      const repeated = prompt(entry.id, {
        bodyHash: `hash ${entry.id}`,
        reply: {
          kind: 'mqtt',
          topic: 'reply',
          format: 'frames',
          correlation: null,
          userProperties: null,
        },
      });
      expect(journal.accept(repeated)).toMatchObject({ kind: 'answered' });
    }
    // The session grew by exactly one turn for each of its answers: both are one transaction.
    const answeredOfSession = [...known.values()].filter(
      ({ id, answer }) => answer !== null && Number(id.split('-')[1]) % 3 === 0,
    );
    const turns = journal.sessionTurns('session').map(({ content }) => content);
    expect(new Set(turns).size).toBe(turns.length);
    const ofSession = new Set(answeredOfSession.map(({ id }) => id));
    if (turns.length < 256) {
      for (const id of ofSession) expect(turns).toContain(id);
    }
    journal.close();
  }
  expect(damaged).toEqual([]);
  expect([...known.values()].filter(({ answer }) => answer !== null).length).toBeGreaterThan(KILLS);
}, 120_000);
