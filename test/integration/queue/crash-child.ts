/**
 * A daemon's life with the journal and nothing else, until somebody kills it: accepts, claims,
 * completes and marks, and says each step on stdout only after the journal has returned. Its
 * parent reads the lines and checks what the disk still knows.
 */
import { writeSync } from 'node:fs';
import { createSystemClock, silentLogger } from '../../../src/core/index.ts';
import { openJournal } from '../../../src/queue/index.ts';

const [path = '', prefix = ''] = process.argv.slice(2);

// Synchronous on purpose: a line that waits in a stream's buffer would be lost with the process.
const say = (...words: (string | number)[]) => writeSync(1, `${words.join(' ')}\n`);

const journal = openJournal({
  path,
  clock: createSystemClock(),
  logger: silentLogger,
  limits: {
    maxDepth: 1000,
    maxBytes: 50_000_000,
    retentionMs: 3_600_000,
    dedupeWindowMs: 3_600_000,
    maxAttempts: 1000,
  },
});
say('open');

function accept(id: string, session: string | null): void {
  const result = journal.accept({
    id,
    idGenerated: false,
    reply: {
      kind: 'mqtt',
      topic: 'reply',
      format: 'frames',
      correlation: null,
      userProperties: null,
    },
    bodyHash: `hash ${id}`,
    body: JSON.stringify({ id, text: 'x'.repeat(200 + (id.length % 3) * 2000) }),
    session,
    priority: 5,
    deadlineMs: null,
    delivery: null,
  });
  if (result.kind === 'accepted') say('accepted', result.seq, id);
}

for (let n = 0; ; n += 1) {
  accept(`${prefix}-${n}`, n % 3 === 0 ? 'session' : null);
  const claimed = journal.claim();
  if (claimed === undefined) continue;
  say('claimed', claimed.seq, claimed.id, claimed.attempts);
  if (n % 5 === 0) {
    journal.release(claimed.seq);
    continue;
  }
  const answer = journal.complete(claimed.seq, `answer ${claimed.id} by ${prefix}`, [
    { role: 'user', content: claimed.id },
  ]);
  say('answered', answer.seq, answer.payload);
  if (n % 2 === 0) journal.markSent(answer.seq);
}
