/**
 * Prompts at ten times the rate that the node can answer: how fast are they refused, how many are in
 * flight at once, how soon is a prompt taken again afterwards?
 *
 *   npm run bench:overload [-- --minutes 2] [--times 10]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Frame } from '../src/protocol/index.ts';
import {
  BASE,
  connectDevice,
  NODE_ID,
  startDaemonProcess,
  waitOnline,
} from '../test/e2e/harness.ts';
import { startMosquitto } from '../test/fakes/brokers.ts';
import { startTap } from './overload/tap.ts';
import { percentile } from './soak/observe.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    times: { type: 'string', default: '10' },
  },
});
const RECEIVE_MAXIMUM = 16;
const PROBES = 12;
const WAITING = 64;

const folder = mkdtempSync(join(tmpdir(), 'twowatt-overload-'));
const broker = await startMosquitto({ config: ['max_queued_messages 0'] });
const tap = await startTap(broker.port);
const daemon = startDaemonProcess({
  brokerUrl: `mqtt://127.0.0.1:${tap.port}`,
  stateFolder: folder,
  built: true,
  set: [
    'router.low_confidence_action=answer',
    `mqtt.receive_maximum=${RECEIVE_MAXIMUM}`,
    `queue.max_depth=${WAITING}`,
  ],
});
const device = await connectDevice(broker.url);
await waitOnline(device);

const sentAtMs = new Map<string, number>();
const refusedMs: number[] = [];
let slowest = { ms: 0, atMs: 0 };
/** This program measures, so how long it stands still itself belongs to the figures. */
const own = monitorEventLoopDelay({ resolution: 1 });
const ends = new Map<string, number>();
device.client.on('message', (topic, payload) => {
  if (!topic.startsWith(`${BASE}/${NODE_ID}/reply/`)) return;
  const frame = JSON.parse(payload.toString()) as Frame;
  const sent = sentAtMs.get(frame.id);
  if (sent === undefined || (frame.type !== 'done' && frame.type !== 'error')) return;
  sentAtMs.delete(frame.id);
  const end = frame.type === 'done' ? 'done' : frame.error.code;
  ends.set(end, (ends.get(end) ?? 0) + 1);
  if (end !== 'queue_full') return;
  const ms = performance.now() - sent;
  refusedMs.push(ms);
  if (ms > slowest.ms) slowest = { ms, atMs: sent };
});
const body = (id: string, fields: object = {}) => ({
  id,
  max_tokens: 48,
  messages: [{ role: 'user', content: '把客厅的灯调到30%' }],
  ...fields,
});

try {
  await device.prompt(body('warm'));
  await device.terminal('warm');
  const beganMs = performance.now();
  for (let n = 0; n < PROBES; n += 1) {
    await device.prompt(body(`probe${n}`));
    await device.terminal(`probe${n}`);
  }
  const servedPerS = (PROBES * 1000) / (performance.now() - beganMs);
  const periodMs = 1000 / (servedPerS * Number(values.times));

  const floodMs = performance.now();
  own.enable();
  const lastMs = Number(values.minutes) * 60_000;
  let sent = 0;
  for (; performance.now() - floodMs < lastMs; sent += 1) {
    await pause(Math.max(0, floodMs + sent * periodMs - performance.now()));
    sentAtMs.set(`o${sent}`, performance.now());
    device.prompt(body(`o${sent}`)).catch(() => {});
  }
  const floodedS = (performance.now() - floodMs) / 1000;
  own.disable();

  // The flood has ended; the first prompt that is let in again tells when.
  const endedMs = performance.now();
  let accepted: string | undefined;
  for (let n = 0; accepted === undefined; n += 1) {
    await device.prompt(body(`again${n}`, { stream: true, priority: 9 }));
    for (let looks = 0; looks < 25 && device.frames(`again${n}`).length === 0; looks += 1)
      await pause(2);
    if (device.frames(`again${n}`)[0]?.type === 'accepted') accepted = `again${n}`;
  }
  const recoveredMs = performance.now() - endedMs;
  await device.terminal(accepted, 120_000);
  const firstAnswerMs = performance.now() - endedMs;

  const ms = (value: number) => Math.round(value * 10) / 10;
  console.table({
    'answers per second without overload': ms(servedPerS),
    'prompts per second in it': ms(sent / floodedS),
    'times what it can answer': ms(sent / floodedS / servedPerS),
    seconds: Math.round(floodedS),
    'refused (queue_full)': refusedMs.length,
    'refusal p50, ms': ms(percentile(refusedMs, 0.5)),
    'refusal p99, ms': ms(percentile(refusedMs, 0.99)),
    'refusal at most, ms': ms(slowest.ms),
    'that one after, s': ms((slowest.atMs - floodMs) / 1000),
    'refused after more than 50 ms': refusedMs.filter((each) => each > 50).length,
    'this program stood still at most, ms': ms(own.max / 1e6),
    'most in flight': tap.mostInFlight(),
    'Receive Maximum': RECEIVE_MAXIMUM,
    'accepted again after, ms': ms(recoveredMs),
    'and answered after, ms': ms(firstAnswerMs),
    ...Object.fromEntries(ends),
  });
  process.exitCode = tap.mostInFlight() <= RECEIVE_MAXIMUM ? 0 : 1;
} finally {
  await device.close();
  await daemon.stop();
  tap.close();
  await broker.close();
  rmSync(folder, { recursive: true, force: true });
}
