import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { CloudRequest } from '../../../src/cloud/index.ts';
import { TwowattError } from '../../../src/core/index.ts';
import type { DoneFrame, Frame } from '../../../src/protocol/index.ts';
import { createFakeCloud } from '../../fakes/fake-cloud.ts';
import { createFixture } from './fixture.ts';

const HARD =
  'Prove step by step that the sum of the first n odd numbers is n², then derive the closed form of the sum of their cubes and explain why induction is valid for both, comparing it with a combinatorial argument.';
const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanUp.splice(0)) clean();
});

type Options = Parameters<typeof createFixture>[0] & {
  cloudAnswer?: (request: CloudRequest) => string | TwowattError | null;
};

function setUp({ cloudAnswer = () => 'from the cloud', ...options }: Options = {}) {
  const fixture = createFixture({
    cloud: (clock) => createFakeCloud({ clock, answer: cloudAnswer }),
    ...options,
  });
  cleanUp.push(fixture.remove);
  const { cloud } = fixture;
  if (cloud === undefined) throw new Error('the fixture made no cloud');
  const ask = async (id: string, fields: object = {}, content = 'turn on the lamp') => {
    await fixture.pipeline.submit(
      fixture.inbound({ id, messages: [{ role: 'user', content }], ...fields }),
    );
  };
  const last = (id: string) => fixture.frames(id).at(-1);
  const done = async (id: string): Promise<DoneFrame> => {
    const ended = () => ['done', 'error'].includes(last(id)?.type ?? '');
    for (let turn = 0; turn < 50 && !ended(); turn += 1) await fixture.clock.advance(20);
    const frame = last(id);
    if (frame?.type !== 'done') throw new Error(JSON.stringify(frame));
    return frame;
  };
  const types = (id: string) => fixture.frames(id).map(({ type }: Frame) => type);
  return { ...fixture, cloud, ask, last, done, types };
}

describe('a prompt', () => {
  it('stays on the board when it is easy, and goes to the cloud when it is hard', async () => {
    const { ask, done, cloud, pipeline } = setUp();
    await ask('easy');
    expect((await done('easy')).route).toMatchObject({
      target: 'edge',
      reasons: ['low_difficulty'],
      endpoint: null,
    });
    await ask('hard', {}, HARD);
    expect(await done('hard')).toMatchObject({
      text: 'from the cloud',
      model: 'ernie-big',
      route: { target: 'cloud', endpoint: 'big', reasons: ['high_difficulty'], escalated: false },
      cost: { amount: 0.002, currency: 'USD' },
      energy: { joules: null },
    });
    expect(cloud.requests).toHaveLength(1);
    expect(pipeline.totals()).toMatchObject({ edge: 1, cloud: 1, escalated: 0, cost: 0.002 });
  });

  it('that is local never leaves, whatever its difficulty, and its session neither', async () => {
    const { ask, done, last, clock, cloud } = setUp();
    await ask('l1', { privacy: 'local', session: 's' }, HARD);
    expect((await done('l1')).route.reasons).toEqual(['privacy_local']);
    await ask('l2', { privacy: 'any', session: 's' }, HARD);
    expect((await done('l2')).route.reasons).toEqual(['privacy_local']);
    await ask('l3', { privacy: 'any', session: 's', route: 'cloud' }, HARD);
    await clock.advance(100);
    expect(last('l3')).toMatchObject({ error: { code: 'privacy_blocked' } });
    expect(cloud.requests).toEqual([]);
  });

  it('is masked on its way out and unmasked on its way back', async () => {
    const secret = 'anna.meier@example.org';
    const { ask, done, cloud, frames } = setUp({
      cloudAnswer: ({ messages }) =>
        `I wrote to ${messages?.at(-1)?.content.match(/\S*EMAIL\S*/i)?.[0]} now`,
    });
    await ask('m', { route: 'cloud', stream: true }, `Write to ${secret} please`);
    expect((await done('m')).text).toBe(`I wrote to ${secret} now`);
    expect(JSON.stringify(cloud.requests)).not.toContain(secret);
    const deltas = frames('m').flatMap((frame) => (frame.type === 'delta' ? [frame.text] : []));
    expect(deltas.join('')).toBe(`I wrote to ${secret} now`);
  });

  it('names a cloud model and gets it', async () => {
    const { ask, done } = setUp();
    await ask('n', { model: 'ernie-big' });
    expect((await done('n')).route).toMatchObject({ target: 'cloud', reasons: ['explicit'] });
  });

  it('does not wait for a place on the board when its way leads to the cloud', async () => {
    const { ask, last, done } = setUp({ tokenMs: 1000, answer: () => 'a long answer' });
    await ask('slow');
    await ask('hard', {}, HARD);
    expect((await done('hard')).route.target).toBe('cloud');
    expect(last('slow')).toBeUndefined();
  });

  it('goes to the cloud while the board may not work', async () => {
    const { ask, done, limit } = setUp();
    limit.pausedBy = 'thermal';
    await ask('hot');
    expect((await done('hot')).route.reasons).toEqual(['thermal_limited']);
  });

  it('goes to the cloud when the engine is away, and one that waits follows', async () => {
    const { ask, done, engine, clock, last } = setUp({
      tokenMs: 1000,
      answer: () => 'long answer',
    });
    await ask('first', { route: 'edge' });
    await ask('waits');
    await clock.advance(10);
    expect(last('waits')).toBeUndefined();
    engine.setState('restarting');
    await clock.advance(9000);
    expect(last('waits')).toBeUndefined();
    await clock.advance(3000);
    expect((await done('waits')).route).toMatchObject({
      target: 'cloud',
      reasons: ['edge_unavailable'],
    });
  });

  it('too long for the board goes on to the cloud', async () => {
    const { ask, done } = setUp({
      answer: () => new TwowattError('context_length_exceeded', 'too long'),
    });
    await ask('long');
    expect((await done('long')).route).toMatchObject({
      target: 'cloud',
      reasons: ['context_too_long', 'low_difficulty'],
      escalated: true,
    });
  });
});

describe('a cloud that fails', () => {
  const down = () => new TwowattError('cloud_unavailable', 'no endpoint answers');

  it('leaves the prompt to the board, which says so', async () => {
    const { ask, done } = setUp({ cloudAnswer: down });
    await ask('h', {}, HARD);
    expect(await done('h')).toMatchObject({
      text: 'yes',
      route: { target: 'edge', reasons: ['high_difficulty', 'offline_fallback'] },
      // Failed calls cost as well.
      cost: { amount: 0.0005 },
    });
  });

  it('never sends a prompt back that insists on the cloud', async () => {
    const { ask, last, engine, clock } = setUp({ cloudAnswer: down });
    await ask('c', { route: 'cloud' });
    await clock.advance(10);
    expect(last('c')).toMatchObject({ error: { code: 'cloud_unavailable' } });
    expect(engine.requests).toEqual([]);
  });

  it('lets an insisting prompt wait until its deadline, 300 s if it names none', async () => {
    const { ask, last, clock, cloud } = setUp({ cloudAnswer: () => null });
    await ask('short', { route: 'cloud', deadline_ms: 5000 });
    await ask('long', { route: 'cloud' });
    await clock.advance(10);
    expect(cloud.requests.map(({ patient }) => patient)).toEqual([true, true]);
    await clock.advance(5000);
    expect(last('short')).toMatchObject({ error: { code: 'cloud_unavailable' } });
    expect(last('long')).toBeUndefined();
    await clock.advance(295_000);
    expect(last('long')).toMatchObject({ error: { code: 'cloud_unavailable' } });
  });

  it('falls back in turn: prompts that come back wait for the board one by one', async () => {
    const { ask, done, engine } = setUp({ cloudAnswer: down, tokenMs: 100 });
    for (const id of ['a', 'b', 'c']) await ask(id, {}, HARD);
    for (const id of ['a', 'b', 'c']) expect((await done(id)).route.target).toBe('edge');
    expect(engine.requests).toHaveLength(3);
  });

  it('known to be away is not asked', async () => {
    const { ask, done, cloud } = setUp();
    cloud.reachable = false;
    await ask('h', {}, HARD);
    expect((await done('h')).route.reasons).toEqual([
      'high_difficulty',
      'cloud_unavailable',
      'offline_fallback',
    ]);
    cloud.reachable = true;
    cloud.budgetLeft = false;
    await ask('p', {}, HARD);
    expect((await done('p')).route.reasons).toEqual(['high_difficulty', 'cloud_budget_exhausted']);
    expect(cloud.requests).toEqual([]);
  });

  it('gives a stopped daemon its prompt back', async () => {
    const { ask, pipeline, clock, build, last, journal } = setUp({ cloudAnswer: () => null });
    await ask('c', { route: 'cloud' });
    await clock.advance(10);
    const stopping = pipeline.stop(100);
    await clock.advance(3000);
    await stopping;
    expect(last('c')).toBeUndefined();
    journal.close();
    const next = build();
    expect(next.journal.counts().depth).toBe(1);
  });
});

/** An answer of which the gate without a fit is sure at 0.9 and unsure at a higher bar. */
describe('an answer that is not sure enough', () => {
  const unsure = ['router.confidence_threshold=0.95'];
  const command = '{"device":"motor","action":"on"}';

  it('goes on to the cloud; what was streamed is taken back', async () => {
    const { ask, done, types, cloud, pipeline } = setUp({ set: unsure });
    await ask('u', { stream: true });
    expect(await done('u')).toMatchObject({
      text: 'from the cloud',
      route: { target: 'cloud', escalated: true, reasons: ['low_confidence', 'low_difficulty'] },
      energy: { joules: 1.5 },
    });
    expect(types('u')).toEqual([
      'accepted',
      ...Array<string>(3).fill('delta'),
      'restart',
      ...Array<string>(3).fill('delta'),
      'done',
    ]);
    expect(cloud.requests).toHaveLength(1);
    expect(pipeline.totals().escalated).toBe(1);
  });

  it('is kept when nobody else can be asked, unless it is a command', async () => {
    const { ask, done, last, clock, cloud } = setUp({
      set: unsure,
      answer: ({ messages }) => (messages?.[0]?.content === 'poem' ? command : 'maybe'),
    });
    cloud.reachable = false;
    await ask('words');
    expect((await done('words')).route.reasons).toContain('low_confidence');
    await ask('act', {}, 'poem');
    await clock.advance(50);
    expect(last('act')).toMatchObject({ error: { code: 'low_confidence' } });
    cloud.reachable = true;
    await ask('wanted', { route: 'edge' }, 'poem');
    expect((await done('wanted')).text).toBe(command);
  });

  it('comes back when the cloud fails, without another run of the engine', async () => {
    const { ask, done, engine } = setUp({
      set: unsure,
      cloudAnswer: () => new TwowattError('cloud_unavailable', 'gone'),
    });
    await ask('u');
    expect(await done('u')).toMatchObject({ text: 'yes', route: { target: 'edge' } });
    expect(engine.requests).toHaveLength(1);
  });

  it('that is refused in the end is not streamed again', async () => {
    const { ask, clock, types } = setUp({
      set: [...unsure, 'router.low_confidence_action=error'],
      cloudAnswer: () => new TwowattError('low_confidence', 'not sure either'),
    });
    await ask('r', { stream: true });
    await clock.advance(100);
    expect(types('r')).toEqual(['accepted', ...Array<string>(3).fill('delta'), 'restart', 'error']);
  });

  it('of a local prompt is never escalated, and still no command', async () => {
    const { ask, last, clock, cloud } = setUp({ set: unsure, answer: () => command });
    await ask('l', { privacy: 'local' });
    await clock.advance(50);
    expect(last('l')).toMatchObject({ error: { code: 'low_confidence' } });
    expect(cloud.requests).toEqual([]);
  });
});

describe('shadowing', () => {
  it('asks the cloud as well, for prompts that may leave as they are, and for no others', async () => {
    const { ask, done, cloud, clock } = setUp({
      set: ['router.shadow_share=0.6'],
      privacyDefault: 'any',
    });
    await ask('a', { privacy: 'redact' });
    await ask('b', { privacy: 'local' });
    await done('a');
    await done('b');
    await clock.advance(50);
    expect(cloud.requests).toEqual([]);
  });

  it('changes nothing about the answer but its reasons', async () => {
    const { ask, done, cloud, inbound, pipeline, clock } = setUp({
      set: ['router.shadow_share=0.6'],
      privacyDefault: 'any',
    });
    await pipeline.submit(
      inbound(
        { id: 's', privacy: 'any', messages: [{ role: 'user', content: 'hi' }] },
        { topic: 'twowatt/v1/pool/x/prompt' },
      ),
    );
    expect(await done('s')).toMatchObject({
      text: 'yes',
      route: { target: 'edge', reasons: ['low_difficulty', 'shadow'] },
      cost: { amount: 0 },
    });
    await clock.advance(50);
    expect(cloud.requests).toHaveLength(1);
    await ask('e', { route: 'edge' });
    await done('e');
    expect(cloud.requests).toHaveLength(1);
  });
});

describe('the audit log', () => {
  it('has a line for every prompt, and no text', async () => {
    const { ask, done, folder } = setUp();
    await ask('a', { privacy: 'local' }, 'my secret plan');
    await done('a');
    await ask('b', {}, HARD);
    await done('b');
    const log = readFileSync(`${folder}/audit.jsonl`, 'utf8');
    const lines = log
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject([
      { id: 'a', label: 'local', label_source: 'message', decision: 'edge', endpoint: null },
      { id: 'b', label: 'redact', label_source: 'topic', decision: 'cloud', endpoint: 'big' },
    ]);
    expect(log).not.toMatch(/secret|odd numbers|cloud answer/);
  });
});
