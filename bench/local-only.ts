/**
 * Prompts that must stay on the board, among others that may leave, through the real journal, pipeline,
 * router, privacy gate and cloud client, while everything speaks for the cloud: hard prompts, answers
 * that are never sure enough, shadowing of all of them, retries, hedges, failover, detectors that
 * throw, restarts. The endpoints fail in every way and search each byte that reaches them.
 *
 *   npm run bench:local-only [-- --prompts 100000]
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Cloud, createCloud, createHttpTransport } from '../src/cloud/index.ts';
import { loadConfig } from '../src/config/index.ts';
import { createSystemClock, noTracing, silentLogger } from '../src/core/index.ts';
import { openAuditLog } from '../src/daemon/audit-log.ts';
import { createRouting } from '../src/daemon/routing.ts';
import { createShadow } from '../src/daemon/shadow.ts';
import { openJournal } from '../src/queue/index.ts';
import { auditRecord, type Detector, gate } from '../src/router/privacy/index.ts';
import { createPipeline, type InboundPrompt } from '../src/service/index.ts';
import { createFakeEngine } from '../test/fakes/fake-engine.ts';

const { values } = parseArgs({ options: { prompts: { type: 'string', default: '100000' } } });
const prompts = Number(values.prompts);
/** So many prompts wait at most, as a node's bounds would have it. */
const IN_FLIGHT = 100;
const RESTART_EVERY = 10_000;
const STAYS = 'zq-stays-';
const LEAVES = 'zq-leaves-';
const BROKEN_DETECTOR = 'zq-stays-detector-';

const seen = { requests: 0, leaves: 0, leaked: 0, bytes: 0 };

function answerWell(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(
    'data: {"choices":[{"index":0,"delta":{"content":"fine"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":1}}\n\ndata: [DONE]\n\n',
  );
}

/** One call in five is an error, a cut, nonsense or slow; more would only keep the breakers open. */
async function startEndpoint(): Promise<{ server: Server; port: number }> {
  let turn = 0;
  const server = createServer((request, response) => {
    seen.requests += 1;
    turn += 1;
    request.on('data', () => {});
    request.on('end', () => {
      switch (turn % 24) {
        case 0:
          response.writeHead(503, { 'retry-after': '0' }).end('busy');
          break;
        case 1:
          request.socket.destroy();
          break;
        case 2:
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write('data: {"choices":[{"index":0,"delta":{"content":"he"}}]}\n\n');
          setTimeout(() => request.socket.destroy(), 5);
          break;
        case 3:
          response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
          break;
        case 4:
          setTimeout(() => answerWell(response), 200);
          break;
        default:
          answerWell(response);
      }
    });
  });
  // On the wire, before anything parses it: headers, bodies, whatever comes.
  server.on('connection', (socket: Socket) => {
    let tail = '';
    socket.on('data', (chunk: Buffer) => {
      seen.bytes += chunk.length;
      const text = tail + chunk.toString('latin1');
      seen.leaked += text.split(STAYS).length - 1;
      seen.leaves += text.split(LEAVES).length - 1;
      tail = text.slice(-Math.max(STAYS.length, LEAVES.length) + 1);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

const folder = mkdtempSync(join(tmpdir(), 'twowatt-local-only-'));
const clock = createSystemClock();
const servers = [await startEndpoint(), await startEndpoint()];
const endpoints = servers.map(({ port }, index) => ({
  name: `e${index}`,
  base_url: `http://127.0.0.1:${port}/v1`,
  model: `big-${index}`,
  tier: index + 1,
}));
const config = loadConfig({
  env: {},
  homeFolder: folder,
  searchFiles: [],
  overlayPath: null,
  set: [
    `node.state_folder=${folder}`,
    `cloud.endpoints=${JSON.stringify(endpoints)}`,
    'router.policy=cloud',
    'router.difficulty_threshold=0',
    'router.confidence_threshold=1',
    'router.shadow_share=1',
    'router.privacy_default=any',
  ],
}).values;
const cloud: Cloud = createCloud({
  endpoints: config.cloud.endpoints.map(({ name, model, base_url: baseUrl, tier = 1 }) => ({
    name,
    model,
    baseUrl,
    apiKey: null,
    tier,
    priceIn: 0,
    priceOut: 0,
    currency: 'USD',
    weight: 1,
    maxConcurrency: 16,
    connectTimeoutMs: 1000,
    firstTokenTimeoutMs: 5000,
    idleTimeoutMs: 5000,
    totalTimeoutMs: 5000,
    extraBody: {},
  })),
  failover: 'any',
  retryRatio: 1,
  hedging: true,
  budget: { limitPerDay: 0, currency: 'USD', store: { load: () => null, save: () => {} } },
  clock,
  logger: silentLogger,
  random: Math.random,
  transport: createHttpTransport(),
});
const broken: Detector = {
  kind: 'email',
  find(text) {
    if (text.includes(BROKEN_DETECTOR)) throw new Error('a detector fails');
    return [];
  },
};
const routing = createRouting({
  config: () => config,
  beyond: {
    cloud,
    privacy: {
      gate: (request, label, options) => gate(request, label, { ...options, detectors: [broken] }),
      auditRecord,
      audit: openAuditLog(folder, silentLogger),
      shadow: createShadow(cloud, clock, silentLogger),
    },
  },
  gateFit: () => null,
  edgeModel: () => 'fake',
  clock,
  random: Math.random,
});

let answered = 0;
function open() {
  const journal = openJournal({
    path: join(folder, 'queue.sqlite'),
    clock,
    logger: silentLogger,
    limits: {
      maxDepth: 10_000,
      maxBytes: 100_000_000,
      retentionMs: 60_000,
      dedupeWindowMs: 1000,
      maxAttempts: 3,
    },
  });
  const pipeline = createPipeline({
    node: 'pi',
    rules: () => ({
      node: 'pi',
      baseTopic: 'twowatt/v1',
      maxPayloadBytes: 65_536,
      hasCloud: true,
      privacyDefault: 'any',
      privacyTopics: [{ topic: 'home/+/camera/#', privacy: 'local' }],
    }),
    slots: 1,
    routing,
    currency: 'USD',
    systemPrompt: '',
    logPrompts: () => false,
    clock,
    logger: silentLogger,
    journal,
    engine: createFakeEngine({ answer: () => 'yes', clock }),
    port: { deliver: async () => true, trySend: () => {}, gone: () => false },
    tracing: noTracing,
    meter: { begin: () => {}, end: () => null, pausedBy: () => null },
    onAnswer: () => (answered += 1),
  });
  return { journal, pipeline };
}

const HARD = 'Prove step by step why the following must hold and derive the closed form: ';
/** Ways of a prompt to be one that must stay. The last is a session's later turn, itself unlabelled. */
const WAYS: ((n: number) => { fields: object; topic?: string; marker?: string })[] = [
  () => ({ fields: { privacy: 'local' } }),
  () => ({ fields: { privacy: 'confidential' } }),
  () => ({ fields: { privacy: 'any' }, topic: 'home/hall/camera/prompt' }),
  () => ({ fields: { privacy: 'local', route: 'cloud' } }),
  () => ({ fields: { privacy: 'redact' }, marker: BROKEN_DETECTOR }),
  (n) => ({ fields: { privacy: 'local', session: `s${Math.floor(n / 7)}` } }),
  (n) => ({ fields: { privacy: 'any', session: `s${Math.floor((n - 1) / 7)}` } }),
];

const inbound = (body: object, topic = 'twowatt/v1/pi/prompt'): InboundPrompt => {
  const payload = Buffer.from(JSON.stringify(body));
  return {
    kind: 'mqtt',
    payload,
    payloadBytes: payload.length,
    format: 'frames',
    topic,
    defaultReplyTopic: (id) => `twowatt/v1/pi/reply/${id}`,
    invalidReplyTopic: 'twowatt/v1/pi/reply/invalid',
    correlation: null,
    userProperties: null,
    redelivered: false,
  };
};

let node = open();
const breathe = () => new Promise((resolve) => setImmediate(resolve));
const startedAt = performance.now();
let free = 0;
for (let n = 0; n < prompts; n += 1) {
  const way = WAYS[n % WAYS.length]!(n);
  const messages = (marker: string) => [{ role: 'user', content: `${HARD}${marker}${n}` }];
  await node.pipeline.submit(
    inbound({ id: `l${n}`, messages: messages(way.marker ?? STAYS), ...way.fields }, way.topic),
  );
  // Others keep the endpoints, retries, hedges and breakers busy.
  if (n % 10 === 0) {
    free += 1;
    await node.pipeline.submit(
      inbound({ id: `f${n}`, messages: messages(LEAVES), privacy: 'any', stream: n % 20 === 0 }),
    );
  }
  // The endpoints live in this process too and need their turn.
  do await breathe();
  while (node.journal.counts().depth > IN_FLIGHT);
  if (n % RESTART_EVERY === RESTART_EVERY - 1) {
    // What runs in the cloud is cut off and begins anew.
    await node.pipeline.stop(0);
    node.journal.close();
    node = open();
    process.stderr.write(`${n + 1} prompts, ${seen.leaked} leaked\n`);
  }
}
const deadline = performance.now() + 60_000;
while (node.journal.counts().depth > 0 && performance.now() < deadline) await breathe();
const left = node.journal.counts().depth;
await node.pipeline.stop(1000);
node.journal.close();
const { totals } = cloud.state();
await cloud.close();
for (const { server } of servers) {
  server.closeAllConnections();
  server.close();
}
rmSync(folder, { recursive: true, force: true });

const seconds = (performance.now() - startedAt) / 1000;
console.table({
  'prompts that must stay': prompts,
  'prompts that may leave': free,
  'answered or refused': answered,
  'left unanswered': left,
  'requests to endpoints': seen.requests,
  'retries, hedges': `${totals.retries}, ${totals.hedges}`,
  'bytes at endpoints': seen.bytes,
  'sightings of what may leave': seen.leaves,
  'sightings of what must stay': seen.leaked,
  seconds: Math.round(seconds),
});
// Without traffic at the endpoints, nothing leaked proves nothing.
process.exitCode = seen.leaked === 0 && seen.leaves > free / 2 && left === 0 ? 0 : 1;
