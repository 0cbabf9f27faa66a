import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger, type Tracing, TwowattError } from '../../../src/core/index.ts';
import { createTracing } from '../../../src/tracing/index.ts';
import { type OtlpCollector, startOtlpCollector, treeOf } from '../../fakes/otlp-collector.ts';
import { createFixture } from './fixture.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CLIENT = `00-${TRACE}-00f067aa0ba902b7-01`;
const SECRET = 'where does Anna sleep';
const messages = [{ role: 'user', content: SECRET }];

let collector: OtlpCollector;
let tracing: Tracing;
let fixture: ReturnType<typeof createFixture>;

const setUp = (options: Parameters<typeof createFixture>[0] = {}) => {
  fixture = createFixture({
    answer: () => 'in Room 7',
    ...options,
    tracing: (clock) =>
      (tracing = createTracing({
        endpoint: collector.url,
        headers: {},
        resource: {},
        sampleRatio: 1,
        random: Math.random,
        clock,
        logger: silentLogger,
      })),
  });
  return fixture;
};

beforeEach(async () => {
  collector = await startOtlpCollector();
});
afterEach(async () => {
  fixture.journal.close();
  fixture.remove();
  await collector.close();
});

const named = (name: string) => collector.spans.find((span) => span.name === name);

describe('the trace of a prompt', () => {
  it('answered on the board shows its whole way, under the client’s span', async () => {
    const { pipeline, clock, inbound, port } = setUp({ tokenMs: 10 });
    await pipeline.submit(
      inbound(
        { id: 'a', messages },
        { traceparent: CLIENT, userProperties: { traceparent: CLIENT, room: 'hall' } },
      ),
    );
    await clock.advance(200);
    await tracing.close();
    expect(treeOf(collector.spans)).toEqual([
      'prompt',
      '  receive',
      '  journal',
      '  queue wait',
      '  route',
      '  engine',
      '    prefill',
      '    decode',
      '  reply',
    ]);
    const prompt = named('prompt');
    expect(prompt).toMatchObject({
      traceId: TRACE,
      parentSpanId: '00f067aa0ba902b7',
      kind: 5,
      attributes: {
        'twowatt.prompt.id': 'a',
        'twowatt.target': 'edge',
        'gen_ai.usage.output_tokens': 9,
      },
    });
    for (const span of collector.spans) expect(span.traceId).toBe(TRACE);
    // The answer tells whoever gets it where to go on.
    expect(port.delivered[0]?.reply.userProperties).toEqual({
      traceparent: `00-${TRACE}-${prompt?.spanId}-01`,
      room: 'hall',
    });
    expect(collector.requests.map(({ text }) => text).join('\n')).not.toMatch(/Anna|Room 7|hall/);
  });

  it('outlives a crash: the next life ends the span that the last one began', async () => {
    const first = setUp({ state: 'starting' });
    await first.pipeline.submit(first.inbound({ id: 'a', messages }));
    await first.clock.advance(60_000);
    await tracing.close();
    first.journal.close();
    const second = fixture.build();
    second.engine.setState('ready');
    await first.clock.advance(100);
    await tracing.close();
    second.journal.close();
    expect(treeOf(collector.spans)).toEqual([
      'prompt',
      '  receive',
      '  journal',
      '  queue wait',
      '  route',
      '  engine',
      '    prefill',
      '    decode',
      '  reply',
    ]);
    const prompt = named('prompt')!;
    expect(prompt.endedMs - prompt.startedMs).toBeCloseTo(60_000, 0);
  });

  it('that is refused, fails or comes twice says so', async () => {
    const { pipeline, clock, inbound } = setUp({
      answer: () => new TwowattError('internal', `fails at ${SECRET}`),
    });
    const submit = async (body: object) => {
      await pipeline.submit(inbound(body));
      await clock.advance(100);
    };
    await submit({ id: 'a', messages, priority: 11 });
    await submit({ id: 'b', messages, route: 'edge' });
    await submit({ id: 'b', messages, route: 'edge' });
    await tracing.close();
    const traces = Map.groupBy(collector.spans, ({ traceId }) => traceId);
    expect([...traces.values()].map(treeOf)).toEqual([
      ['prompt!invalid_request', '  receive'],
      [
        'prompt!internal',
        '  receive',
        '  journal',
        '  queue wait',
        '  route',
        '  engine!internal',
        '  reply',
        '  reply',
      ],
      ['prompt', '  receive', '  journal'],
    ]);
    expect(collector.requests.map(({ text }) => text).join('\n')).not.toContain('Anna');
  });

  it('is there for none when nothing is traced, and its properties go back as they came', async () => {
    fixture = createFixture();
    const { pipeline, clock, inbound, port } = fixture;
    const userProperties = { traceparent: CLIENT };
    await pipeline.submit(inbound({ id: 'a', messages }, { traceparent: CLIENT, userProperties }));
    await clock.advance(100);
    expect(port.delivered[0]?.reply.userProperties).toEqual(userProperties);
  });
});
