import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Clock,
  type Logger,
  noTracing,
  silentLogger,
  type Tracing,
} from '../../../src/core/index.ts';
import type { Frame, GateFit, Privacy } from '../../../src/protocol/index.ts';
import { openJournal, type StoredAnswer } from '../../../src/queue/index.ts';
import { createPipeline, type InboundPrompt, type ReplyPort } from '../../../src/service/index.ts';
import { createFakeEngine, type FakeEngineOptions } from '../../fakes/fake-engine.ts';
import type { FakeCloud } from '../../fakes/fake-cloud.ts';
import { testRouting } from '../../fakes/routing.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

/** The way back, kept in memory; `connected` false is a broker that is away. */
function createFakePort(): ReplyPort & {
  connected: boolean;
  /** What the broker takes so long for as this is pending: it has the answer, we have no PUBACK. */
  acknowledged: Promise<void>;
  delivered: StoredAnswer[];
  sent: Omit<StoredAnswer, 'seq'>[];
} {
  const port = {
    connected: true,
    acknowledged: Promise.resolve(),
    delivered: [] as StoredAnswer[],
    sent: [] as Omit<StoredAnswer, 'seq'>[],
    gone: ({ reply }: Pick<StoredAnswer, 'reply'>) => reply.kind === 'http',
    async deliver(answer: StoredAnswer) {
      if (port.connected) port.delivered.push(answer);
      await port.acknowledged;
      return port.connected;
    },
    trySend(frame: Omit<StoredAnswer, 'seq'>) {
      if (port.connected) port.sent.push(frame);
    },
  };
  return port;
}

/** A pipeline on the real journal, with a scripted engine and virtual time. */
export function createFixture(
  options: Partial<Omit<FakeEngineOptions, 'clock'>> & {
    maxDepth?: number;
    cloud?: (clock: Clock) => FakeCloud;
    /** `section.key=value` for the router. */
    set?: string[];
    gateFit?: GateFit;
    privacyDefault?: Privacy;
    logger?: Logger;
    tracing?: (clock: Clock) => Tracing;
    logPrompts?: boolean;
  } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'twowatt-service-'));
  const clock = createVirtualClock();
  const open = () =>
    openJournal({
      path: join(folder, 'queue.sqlite'),
      clock,
      logger: silentLogger,
      limits: {
        maxDepth: options.maxDepth ?? 100,
        maxBytes: 1_000_000,
        retentionMs: 3_600_000,
        dedupeWindowMs: 600_000,
        maxAttempts: 3,
      },
    });
  const port = createFakePort();
  const cloud = options.cloud?.(clock);
  const limit: { pausedBy: 'power' | 'thermal' | null } = { pausedBy: null };
  const build = () => {
    const journal = open();
    const engine = createFakeEngine({ answer: () => 'yes', ...options, clock });
    const pipeline = createPipeline({
      node: 'pi',
      rules: () => ({
        node: 'pi',
        baseTopic: 'twowatt/v1',
        maxPayloadBytes: 65_536,
        hasCloud: cloud !== undefined,
        privacyDefault: options.privacyDefault ?? 'redact',
        privacyTopics: [{ topic: 'twowatt/v1/+/prompt', privacy: 'redact' }],
      }),
      slots: 1,
      routing: testRouting({
        folder,
        clock,
        ...(cloud === undefined ? {} : { cloud }),
        ...(options.set === undefined ? {} : { set: options.set }),
        ...(options.gateFit === undefined ? {} : { gateFit: options.gateFit }),
      }),
      currency: 'USD',
      systemPrompt: '',
      logPrompts: () => options.logPrompts ?? false,
      clock,
      logger: options.logger ?? silentLogger,
      journal,
      engine,
      port,
      tracing: options.tracing?.(clock) ?? noTracing,
      meter: {
        begin: () => {},
        end: () => ({ joules: 1.5, measured: true }),
        pausedBy: () => limit.pausedBy,
      },
    });
    return { journal, engine, pipeline };
  };
  let packetId = 0;
  const inbound = (body: unknown, extra: Partial<InboundPrompt> = {}): InboundPrompt => {
    const payload =
      body instanceof Uint8Array
        ? body
        : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    packetId += 1;
    return {
      kind: 'mqtt',
      payload,
      payloadBytes: payload.length,
      format: 'frames',
      topic: 'twowatt/v1/pi/prompt',
      defaultReplyTopic: (id) => `twowatt/v1/pi/reply/${id}`,
      invalidReplyTopic: 'twowatt/v1/pi/reply/invalid',
      correlation: null,
      userProperties: null,
      packetId,
      redelivered: false,
      ...extra,
    };
  };
  return {
    folder,
    clock,
    port,
    cloud,
    limit,
    inbound,
    ...build(),
    /** The daemon again, on the same journal, as after a crash: nothing was closed in order. */
    build,
    /** Frames that reached the broker, terminal ones with their copies. */
    frames: (id: string): Frame[] =>
      [...port.sent, ...port.delivered]
        .filter((message) => message.id === id)
        .map(({ payload }) => JSON.parse(payload) as Frame),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
