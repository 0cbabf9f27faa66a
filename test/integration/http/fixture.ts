import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, newId, noTracing, silentLogger } from '../../../src/core/index.ts';
import { createHttpGateway, type HttpGateway } from '../../../src/gateway/http/index.ts';
import type { HttpGatewayOptions } from '../../../src/gateway/http/types.ts';
import type { HealthCondition } from '../../../src/protocol/index.ts';
import { openJournal } from '../../../src/queue/index.ts';
import { createPipeline, type Pipeline } from '../../../src/service/index.ts';
import { servedModels } from '../../../src/daemon/open-http.ts';
import { createFakeEngine, type FakeEngineOptions } from '../../fakes/fake-engine.ts';
import { testRouting } from '../../fakes/routing.ts';
import { telemetryExample } from '../../fixtures/telemetry.ts';

export const DISK_FULL: HealthCondition = {
  code: 'disk_full',
  severity: 'error',
  title: 'The disk is full',
  text: 'the journal cannot be written',
  since: '2026-01-01T00:00:00.000Z',
  depends_on: [],
};

/** One of the last decisions, as the daemon remembers it. */
export const DECISION = {
  id: '1',
  ts: '2026-01-01T00:00:00.000Z',
  target: 'edge',
  endpoint: null,
  reasons: ['low_difficulty'],
  difficulty: 0.2,
  escalated: false,
  confidence: 0.9,
  cost: null,
  joules: 3,
  total_ms: 1200,
  error: null,
};

type Init = { headers?: Record<string, string>; signal?: AbortSignal };

export type Board = Awaited<ReturnType<typeof startBoard>>;

/** The gateway on the real pipeline and journal, with a scripted engine; listens on a free port. */
export async function startBoard(
  options: Partial<Omit<FakeEngineOptions, 'clock'>> & {
    http?: Partial<HttpGatewayOptions>;
    maxDepth?: number;
  } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'twowatt-http-'));
  const clock = createSystemClock();
  const journal = openJournal({
    path: join(folder, 'queue.sqlite'),
    clock,
    logger: silentLogger,
    limits: {
      maxDepth: options.maxDepth ?? 100,
      maxBytes: 8_000_000,
      retentionMs: 3_600_000,
      dedupeWindowMs: 600_000,
      maxAttempts: 3,
    },
  });
  const engine = createFakeEngine({ answer: () => 'yes', ...options, clock });
  const telemetry = telemetryExample();
  let pipeline: Pipeline | undefined;
  const gateway: HttpGateway = createHttpGateway({
    options: {
      host: '127.0.0.1',
      port: 0,
      node: 'pi',
      version: '1.2.3',
      instance: newId(),
      token: undefined,
      allowedHosts: [],
      requestsPerMinute: 0,
      maxPayloadBytes: 65_536,
      pageFolder: join(import.meta.dirname, '../../../dist/fleet/web'),
      ...options.http,
    },
    handlers: {
      onPrompt: async (message) => pipeline?.submit(message),
      onCancel: (id, topic) => pipeline?.cancel(id, { kind: 'http', topic }),
      models: () => servedModels(engine.status().model, []),
      ready: () => ({ model: engine.status().state === 'ready', broker: true }),
      telemetry: () => telemetry,
      health: () => [DISK_FULL],
      decisions: () => [DECISION],
    },
    logger: silentLogger,
    clock,
  });
  const running = createPipeline({
    node: 'pi',
    rules: () => ({
      node: 'pi',
      baseTopic: 'twowatt/v1',
      maxPayloadBytes: 65_536,
      hasCloud: false,
      privacyDefault: 'redact',
      privacyTopics: [],
    }),
    slots: 1,
    routing: testRouting({ folder, clock }),
    currency: 'USD',
    systemPrompt: '',
    logPrompts: () => false,
    clock,
    logger: silentLogger,
    journal,
    engine,
    port: gateway,
    tracing: noTracing,
    meter: { begin: () => {}, end: () => ({ joules: 1.5, measured: true }), pausedBy: () => null },
    onAnswer: (frame) => gateway.announce('answer', frame),
  });
  pipeline = running;
  const { port } = await gateway.start();
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    engine,
    journal,
    gateway,
    pipeline: running,
    post: (path: string, body: unknown, init: Init = {}) =>
      fetch(url + path, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
        headers: { 'content-type': 'application/json', ...init.headers },
      }),
    chat(fields: object = {}, init: Init = {}) {
      return this.post('/v1/chat/completions', { messages: HI, ...fields }, init);
    },
    async stop() {
      await running.stop(2000);
      await gateway.close(2000);
      journal.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const HI = [{ role: 'user', content: 'secret words' }];

/** The `data` of each event of a stream, in order. */
export function eventsOf(text: string): { event: string | undefined; data: string }[] {
  return text
    .split('\n\n')
    .filter((block) => block.includes('data: '))
    .map((block) => ({
      event: /^event: (.*)$/m.exec(block)?.[1],
      data: /^data: (.*)$/m.exec(block)?.[1] ?? '',
    }));
}

/** The text that the chunks of a chat stream add up to. */
export function streamedText(body: string): string {
  return eventsOf(body)
    .filter(({ data }) => data !== '[DONE]')
    .map(({ data }) => JSON.parse(data) as { choices?: { delta?: { content?: string } }[] })
    .map(({ choices }) => choices?.[0]?.delta?.content ?? '')
    .join('');
}

export async function errorOf(response: Response): Promise<Record<string, unknown>> {
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  return { status: response.status, ...error };
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((wake) => setTimeout(wake, 5));
  }
}
