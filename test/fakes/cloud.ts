import { noSpan, silentLogger } from '../../src/core/index.ts';
import type {
  BudgetStore,
  CloudEndpoint,
  CloudPart,
  CloudRequest,
  CloudResult,
} from '../../src/cloud/index.ts';
import type { Clock } from '../../src/core/index.ts';

/** A store in memory that behaves as a file does: what was saved is JSON. */
export type MemoryStore = BudgetStore & { saves: number; failing: boolean };

export function createMemoryStore(): MemoryStore {
  let json: string | undefined;
  const store: MemoryStore = {
    saves: 0,
    failing: false,
    load: () => (json === undefined ? undefined : (JSON.parse(json) as unknown)),
    save(state) {
      if (store.failing) throw new Error('disk full');
      json = JSON.stringify(state);
      store.saves += 1;
    },
  };
  return store;
}

export function endpointOf(fields: Partial<CloudEndpoint> & { name: string }): CloudEndpoint {
  return {
    baseUrl: `http://${fields.name}.invalid/v1`,
    model: 'm',
    apiKey: null,
    tier: 1,
    priceIn: 1,
    priceOut: 2,
    currency: 'USD',
    weight: 1,
    maxConcurrency: 4,
    connectTimeoutMs: 1000,
    firstTokenTimeoutMs: 5000,
    idleTimeoutMs: 3000,
    totalTimeoutMs: 60_000,
    extraBody: {},
    ...fields,
  };
}

export function requestOf(clock: Clock, fields: Partial<CloudRequest> = {}): CloudRequest {
  return {
    id: 'p',
    trace: noSpan,
    messages: [{ role: 'user', content: 'what is MQTT' }],
    maxTokens: 100,
    sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, seed: null },
    stop: [],
    topLogprobs: null,
    mayLeave: true,
    responseFormat: null,
    tier: null,
    model: null,
    deadlineMs: clock.monotonicMs() + 60_000,
    patient: false,
    mayRestart: true,
    idempotencyKey: null,
    hops: 0,
    ...fields,
  };
}

/** Everything that a standard set-up needs besides its endpoints, clock and transport. */
export const quietOptions = {
  failover: 'any',
  retryRatio: 0.5,
  hedging: true,
  logger: silentLogger,
  random: () => 0.5,
} as const;

export async function readAll(parts: AsyncIterable<CloudPart>): Promise<CloudPart[]> {
  const all: CloudPart[] = [];
  for await (const part of parts) all.push(part);
  return all;
}

/** The result of a stream that must have succeeded. */
export function resultOf(parts: readonly CloudPart[]): CloudResult {
  const last = parts.at(-1);
  if (last?.type !== 'done') throw new Error(`no answer: ${JSON.stringify(last)}`);
  return last.result;
}

/** The terminal error of a stream that must have failed. */
export function errorOf(parts: readonly CloudPart[]): Extract<CloudPart, { type: 'error' }> {
  const last = parts.at(-1);
  if (last?.type !== 'error') throw new Error(`no error: ${JSON.stringify(last)}`);
  return last;
}
