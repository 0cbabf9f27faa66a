/**
 * The engine without a daemon around it: the same session, sampler and detokeniser, no IPC, no
 * journal, no MQTT. Reads one JSON request per line, writes one JSON result per line. A helper of
 * bench/daemon.ts.
 */
import { createInterface } from 'node:readline';
import type { GenerateRequest } from '../src/protocol/index.ts';

process.env['ORT_DISABLE_TELEMETRY'] = '1';

const [folder = '', threads = '1'] = process.argv.slice(2);
const { answer } = await import('../src/engine/process/answer.ts');
const { KvCache } = await import('../src/engine/process/kv-cache.ts');
const { EngineSession } = await import('../src/engine/process/session.ts');
const { loadTokenizer } = await import('../src/engine/process/tokenizer.ts');
const { readManifest } = await import('../src/engine/process/model-folder.ts');

const manifest = readManifest(folder);
const tokenizer = await loadTokenizer(folder);
const cache = new KvCache(manifest.dimensions);
const session = await EngineSession.open(folder, manifest, cache, Number(threads));
process.stdout.write('ready\n');

for await (const line of createInterface({ input: process.stdin })) {
  let firstDeltaAt: number | undefined;
  const startedAt = performance.now();
  const last = await answer(
    JSON.parse(line) as GenerateRequest,
    new AbortController().signal,
    () => {
      firstDeltaAt ??= performance.now();
    },
    {
      session,
      cache,
      tokenizer,
      chunkRows: () => 128,
      contextTokens: manifest.dimensions.contextTokens,
      eosTokenIds: new Set(manifest.eosTokenIds),
      gate: { acquire: async () => {}, report: () => {} },
      nowMs: () => performance.now(),
      freshSeed: () => 1,
      onStep: () => {},
    },
  );
  const firstDeltaMs = (firstDeltaAt ?? performance.now()) - startedAt;
  process.stdout.write(`${JSON.stringify({ last, firstDeltaMs })}\n`);
}
