/**
 * What the daemon costs over the bare engine loop, side by side in one run, in turns:
 * tokens per second with streaming over MQTT, and the time from publish to the first delta beyond
 * prefill and one fsync.
 *
 *   node bench/daemon.ts [CONVERTED_MODEL_FOLDER] [--threads N] [--rounds N] [--tokens N] [--json]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { connectDevice, startDaemonProcess, until, waitOnline } from '../test/e2e/harness.ts';
import { mosquittoAvailable, startAedes, startMosquitto } from '../test/fakes/brokers.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '9' },
    tokens: { type: 'string', default: '96' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const tokens = Number(values.tokens);

const median = (samples: number[]) =>
  [...samples].sort((a, b) => a - b)[Math.floor(samples.length / 2)] ?? Number.NaN;

/** Sampled at a high temperature, so that the answer does not end early; the seed makes both sides equal. */
const request = (round: number) => ({
  // Random weights never end; the bundled model must be kept from its end token.
  prompt: `Round ${round}: tell a long story about a lamp, a fan and a sensor in the garden.`,
  max_tokens: tokens,
  temperature: 2,
  seed: 1000 + round,
});

const folder = mkdtempSync(join(tmpdir(), 'twowatt-bench-'));
const broker = await (mosquittoAvailable() ? startMosquitto() : startAedes());
const daemon = startDaemonProcess({
  brokerUrl: broker.url,
  stateFolder: folder,
  set: [
    `engine.threads=${values.threads}`,
    ...(positionals[0] === undefined ? [] : [`model.path=${resolve(positionals[0])}`]),
    'queue.max_depth=64',
  ],
});
const device = await connectDevice(broker.url);
let bare: ChildProcess | undefined;
try {
  await waitOnline(device);
  await device.prompt({ id: 'warm', ...request(0) });
  await device.terminal('warm', 300_000);
  const info = JSON.parse(device.messages('twowatt/v1/board/info').at(-1) ?? '{}') as {
    model: { id: string };
  };
  const modelFolder = positionals[0] ?? (await modelFolderOf(daemon.output()));
  bare = spawn(
    process.execPath,
    [resolve(import.meta.dirname, 'bare-engine.ts'), modelFolder, values.threads],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: bare.stdout! })[Symbol.asyncIterator]();
  await lines.next();
  const runBare = async (round: number) => {
    const { prompt, max_tokens: maxTokens, temperature, seed } = request(round);
    const sampling = { temperature, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, seed };
    bare?.stdin?.write(
      `${JSON.stringify({ prompt, maxTokens, sampling, stop: [], topLogprobs: null })}\n`,
    );
    const { value } = await lines.next();
    return JSON.parse(value as string) as {
      firstDeltaMs: number;
      last: { result: { completionTokens: number; decodeMs: number; prefillMs: number } };
    };
  };
  await runBare(0);

  const bareRate: number[] = [];
  const daemonRate: number[] = [];
  const ratio: number[] = [];
  const extra: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const alone = await runBare(round);
    const { completionTokens, decodeMs } = alone.last.result;
    bareRate.push(((completionTokens - 1) / decodeMs) * 1000);

    const id = `r${round}`;
    let firstDeltaAt: number | undefined;
    let lastDeltaAt = 0;
    const seen = (topic: string, payload: Buffer) => {
      if (!topic.endsWith(`/reply/${id}`) || !payload.includes('"delta"')) return;
      firstDeltaAt ??= performance.now();
      lastDeltaAt = performance.now();
    };
    device.client.on('message', seen);
    const publishedAt = performance.now();
    // Not awaited: the acknowledgement of the broker to the device is not part of the way.
    void device.prompt({ id, stream: true, ...request(round) });
    const frame = await device.terminal(id, 300_000);
    device.client.off('message', seen);
    if (frame.type !== 'done' || firstDeltaAt === undefined) throw new Error(JSON.stringify(frame));
    // As the device sees it: tokens after the first over the time between first and last delta.
    const rate = ((frame.usage.completion_tokens - 1) / (lastDeltaAt - firstDeltaAt)) * 1000;
    daemonRate.push(rate);
    ratio.push(rate / (bareRate.at(-1) ?? Number.NaN));
    extra.push(firstDeltaAt - publishedAt - alone.firstDeltaMs - fsyncMs(folder));
  }
  const result = {
    model: info.model.id,
    threads: Number(values.threads),
    tokens,
    rounds,
    bare_tokens_per_s: round2(median(bareRate)),
    daemon_tokens_per_s: round2(median(daemonRate)),
    median_ratio: round2(median(ratio) * 100) / 100,
    first_delta_extra_ms: round2(median(extra)),
    fsync_ms: round2(median(Array.from({ length: 20 }, () => fsyncMs(folder)))),
  };
  if (values.json) console.log(JSON.stringify(result));
  else console.table(result);
} finally {
  bare?.kill();
  await device.close();
  await daemon.stop();
  await broker.close();
  rmSync(folder, { recursive: true, force: true });
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}

/** One write and fdatasync in the folder of the journal. */
function fsyncMs(where: string): number {
  const descriptor = openSync(join(where, 'fsync-probe'), 'w');
  try {
    const startedAt = performance.now();
    writeSync(descriptor, Buffer.alloc(4096, 1));
    fdatasyncSync(descriptor);
    return performance.now() - startedAt;
  } finally {
    closeSync(descriptor);
  }
}

/** The daemon logs which converted folder it serves. */
async function modelFolderOf(log: string): Promise<string> {
  await until(() => /"folder":"/.test(log), 'the model folder in the log');
  return /"folder":"([^"]+)"/.exec(log)?.[1] ?? '';
}
