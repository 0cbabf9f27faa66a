/** Opens the journal at argv[2], accepts one prompt whose text is argv[3], says so, and stays until killed. */
import { writeSync } from 'node:fs';
import { createSystemClock, silentLogger } from '../../../src/core/index.ts';
import { openJournal } from '../../../src/queue/index.ts';

const [path = '', text = 'hello'] = process.argv.slice(2);
const journal = openJournal({
  path,
  clock: createSystemClock(),
  logger: silentLogger,
  limits: {
    maxDepth: 10,
    maxBytes: 1_000_000,
    retentionMs: 3_600_000,
    dedupeWindowMs: 3_600_000,
    maxAttempts: 3,
  },
});
journal.accept({
  id: 'one',
  idGenerated: false,
  reply: {
    kind: 'mqtt',
    topic: 'reply',
    format: 'frames',
    correlation: null,
    userProperties: null,
  },
  bodyHash: 'hash',
  body: JSON.stringify({ messages: [{ role: 'user', content: text }] }),
  session: null,
  priority: 5,
  deadlineMs: null,
  delivery: null,
});
writeSync(1, 'open\n');
setInterval(() => undefined, 60_000);
