import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSystemClock, silentLogger } from '../../../src/core/index.ts';
import { createTracing } from '../../../src/tracing/index.ts';
import { formatTraceparent, parseTraceparent } from '../../../src/tracing/traceparent.ts';
import { createLogRecorder } from '../../fakes/log-recorder.ts';
import { type OtlpCollector, startOtlpCollector, treeOf } from '../../fakes/otlp-collector.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('traceparent', () => {
  it.each([
    [`00-${TRACE}-${SPAN}-01`, true],
    [`00-${TRACE}-${SPAN}-00`, false],
    [`00-${TRACE}-${SPAN}-03`, true],
    [`cc-${TRACE}-${SPAN}-01-what-the-future-brings`, true],
  ])('%s is read', (text, sampled) => {
    expect(parseTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, sampled });
  });

  it.each([
    '',
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE}-${SPAN}-01\n`,
    'where is Anna',
  ])('%j is ignored', (text) => expect(parseTraceparent(text)).toBeNull());

  it('is written as it was read', () => {
    const text = `00-${TRACE}-${SPAN}-01`;
    expect(formatTraceparent(parseTraceparent(text)!)).toBe(text);
  });
});

describe('tracing', () => {
  let collector: OtlpCollector;
  beforeEach(async () => {
    collector = await startOtlpCollector();
  });
  afterEach(() => collector.close());

  const open = (options: Partial<Parameters<typeof createTracing>[0]> = {}) =>
    createTracing({
      endpoint: collector.url,
      headers: {},
      resource: { 'service.name': 'twowatt', 'service.instance.id': 'pi' },
      sampleRatio: 1,
      random: () => 0.5,
      clock: createSystemClock(),
      logger: silentLogger,
      ...options,
    });

  it('sends spans with their times, attributes and errors to the path of OTLP, with headers', async () => {
    const clock = createVirtualClock();
    const tracing = open({ clock, headers: { 'x-key': 'k' } });
    const origin = tracing.begin(undefined);
    const call = tracing.under(origin?.traceparent).child('call', { kind: 'client' });
    await clock.advance(250);
    call.end({ attributes: { n: 2, ok: true, list: ['a'], none: null }, error: 'http 503' });
    tracing.prompt(origin, 'server').end();
    await tracing.close();
    expect(collector.requests).toHaveLength(1);
    expect(collector.requests[0]?.path).toBe('/v1/traces');
    expect(collector.requests[0]?.headers).toMatchObject({ 'x-key': 'k' });
    const [child, prompt] = collector.spans;
    expect(prompt).toMatchObject({ name: 'prompt', kind: 2, service: 'twowatt', node: 'pi' });
    expect(prompt?.parentSpanId).toBeUndefined();
    expect(child).toMatchObject({
      name: 'call',
      kind: 3,
      parentSpanId: prompt?.spanId,
      traceId: prompt?.traceId,
      status: 2,
      attributes: { n: 2, ok: true, list: ['a'], 'error.type': 'http 503' },
    });
    expect(child!.endedMs - child!.startedMs).toBeCloseTo(250, 1);
    expect(child!.startedMs).toBeCloseTo(clock.wallMs() - 250, 1);
  });

  it('goes on with a client’s trace, and ends a prompt that an earlier life began', async () => {
    const first = open();
    const origin = first.begin(`00-${TRACE}-${SPAN}-01`);
    await first.close();
    // What a journal keeps of it.
    const kept = JSON.parse(JSON.stringify(origin)) as typeof origin;
    const second = open();
    second.under(kept?.traceparent).child('queue wait').end();
    second.prompt(kept, 'consumer').end();
    await second.close();
    expect(treeOf(collector.spans)).toEqual(['prompt', '  queue wait']);
    const prompt = collector.spans.find(({ name }) => name === 'prompt');
    expect(prompt).toMatchObject({ traceId: TRACE, parentSpanId: SPAN });
    expect(prompt?.startedMs).toBeCloseTo(origin!.startedMs, 1);
  });

  it('records the share it was told, and what a client has decided', async () => {
    const draws = [0.1, 0.3];
    const tracing = open({ sampleRatio: 0.2, random: () => draws.shift() ?? 1 });
    const sampled = tracing.begin(undefined);
    const passed = tracing.begin('nonsense');
    const wanted = tracing.begin(`00-${TRACE}-${SPAN}-01`);
    const unwanted = tracing.begin(`00-${TRACE}-${SPAN}-00`);
    for (const origin of [sampled, passed, wanted, unwanted]) {
      tracing.prompt(origin, 'server').end();
    }
    expect(passed?.traceparent).toMatch(/-00$/);
    expect(unwanted?.traceparent).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
    await tracing.close();
    expect(collector.spans.map(({ spanId }) => spanId)).toEqual(
      [sampled, wanted].map((origin) => origin?.traceparent.split('-')[2]),
    );
  });

  it('drops what a collector does not take, says so once, and goes on when it does', async () => {
    const { logger, lines } = createLogRecorder();
    collector.behave(400);
    const tracing = open({ logger });
    const send = (count: number) => {
      for (let n = 0; n < count; n += 1) {
        tracing.prompt(tracing.begin(undefined), 'server').end();
      }
    };
    // More than may wait: ending a span never throws and never waits.
    send(5000);
    await expect.poll(() => lines.length).toBeGreaterThan(0);
    await expect.poll(() => collector.requests.length, { timeout: 20_000 }).toBeGreaterThan(4);
    collector.behave('ok');
    send(128);
    await expect.poll(() => lines.length, { timeout: 20_000 }).toBe(2);
    await tracing.close();
    expect(lines).toMatchObject([
      { level: 'warn', msg: 'traces cannot be exported; they are dropped until they can' },
      { level: 'info', msg: 'traces are exported again' },
    ]);
    expect(collector.spans.length).toBeLessThan(1024 + 128 + 128);
  });

  it('closes although the collector never answers', async () => {
    const clock = createVirtualClock();
    collector.behave('hang');
    const tracing = open({ clock });
    tracing.prompt(tracing.begin(undefined), 'server').end();
    const closed = tracing.close();
    await expect.poll(() => collector.requests.length).toBe(1);
    await clock.advance(2000);
    await closed;
  });
});
