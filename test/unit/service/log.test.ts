import { afterEach, expect, it } from 'vitest';
import { createLogRecorder } from '../../fakes/log-recorder.ts';
import { createFixture } from './fixture.ts';

let fixture: ReturnType<typeof createFixture>;
afterEach(() => {
  fixture.journal.close();
  fixture.remove();
});

const SECRET = 'where does Anna sleep';

async function logOf(logPrompts: boolean) {
  const { logger, lines } = createLogRecorder();
  fixture = createFixture({ logger, logPrompts, answer: () => 'in Room 7' });
  const { pipeline, clock, inbound } = fixture;
  const messages = [{ role: 'user', content: SECRET }];
  await pipeline.submit(inbound({ id: 'a', messages }));
  await clock.advance(100);
  await pipeline.submit(inbound({ id: 'b', messages, priority: 11 }));
  await clock.advance(100);
  return lines;
}

it('a prompt’s id stands in every line from its receipt to its delivery', async () => {
  const lines = await logOf(false);
  expect(lines.filter(({ id }) => id === 'a').map(({ msg }) => msg)).toEqual([
    'prompt received',
    'prompt accepted',
    'prompt begins',
    'engine run ended',
    'prompt answered',
    'answer delivered',
  ]);
  expect(lines.filter(({ id }) => id === 'b')).toMatchObject([
    { level: 'info', msg: 'prompt refused', code: 'invalid_request', param: 'priority' },
  ]);
  expect(lines.filter(({ id }) => id === undefined)).toEqual([]);
});

it('no line holds what was asked or answered, unless log.prompts says so', async () => {
  const quiet = JSON.stringify(await logOf(false));
  expect(quiet).not.toMatch(/Anna|Room 7/);
  fixture.journal.close();
  fixture.remove();
  const open = JSON.stringify(await logOf(true));
  expect(open).toContain(SECRET);
  expect(open).toContain('in Room 7');
});
