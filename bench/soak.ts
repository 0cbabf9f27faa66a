/**
 * The built daemon under mixed load (MQTT, HTTP, streams, sessions, cancels, hang-ups, mistakes) for as
 * long as one likes: does it grow, does it leak descriptors, does it get slower?
 *
 *   npm run bench:soak [-- --minutes 60] [--rate 1] [--warm-up 10] [--log FILE]
 *
 * Pieces of load start at a fixed rate while few are open, and latency counts from their start.
 * Slopes are those of least-squares lines after the warm-up; thirds are of that time too. Exit code 1
 * when an answer was lost, a process ended, or the slope of one is beyond 1 MB an hour.
 */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectDevice, startDaemonProcess, waitOnline } from '../test/e2e/harness.ts';
import { startMosquitto } from '../test/fakes/brokers.ts';
import { openLoad } from './soak/load.ts';
import { type Look, lookAt, percentile, slopeMbPerHour } from './soak/observe.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string', default: '1' },
    'warm-up': { type: 'string', default: '10' },
    /** Every look as a line of JSON. */
    log: { type: 'string' },
  },
});
const lastS = Number(values.minutes) * 60;
const periodS = 1 / Number(values.rate);
/** A short run has a shorter one. */
const warmUpS = Math.min(Number(values['warm-up']) * 60, lastS / 3);
/** A machine that is busy with other things slows the load down instead of drowning in it. */
const MOST_OPEN = 6;
const LOOK_EVERY_S = 5;
const MOST_SLOPE = 1;

const folder = mkdtempSync(join(tmpdir(), 'twowatt-soak-'));
const broker = await startMosquitto();
const daemon = startDaemonProcess({
  brokerUrl: broker.url,
  stateFolder: folder,
  built: true,
  set: ['router.low_confidence_action=answer', 'http.requests_per_minute=100000'],
});
const watcher = await connectDevice(broker.url);
await waitOnline(watcher);
await watcher.close();
const enginePid = await daemon.enginePid();
const load = await openLoad(broker.url, await daemon.httpUrl());
if (values.log !== undefined) writeFileSync(values.log, '');

const looks = { daemon: [] as Look[], engine: [] as Look[] };
const latencies: { atS: number; ms: number }[] = [];
const counts = new Map<string, number>();
let lost = 0;
const beganMs = performance.now();
const nowS = () => (performance.now() - beganMs) / 1000;

const watching = setInterval(() => {
  for (const [name, pid] of [
    ['daemon', daemon.pid],
    ['engine', enginePid],
  ] as const) {
    const look = lookAt(pid, nowS());
    if (look === undefined) continue;
    looks[name].push(look);
    if (values.log !== undefined)
      appendFileSync(values.log, `${JSON.stringify({ name, ...look })}\n`);
  }
}, LOOK_EVERY_S * 1000);

async function settle(n: number): Promise<void> {
  const startedS = nowS();
  try {
    const { kind, outcome } = await load.send(n);
    counts.set(`${kind}: ${outcome}`, (counts.get(`${kind}: ${outcome}`) ?? 0) + 1);
    const ms = (nowS() - startedS) * 1000;
    // Of cancels and hang-ups the load itself chooses the end.
    if (outcome === 'done' && !/cancel|hang up/.test(kind)) latencies.push({ atS: startedS, ms });
  } catch (error) {
    lost += 1;
    console.error(`${Math.round(nowS())} s:`, error instanceof Error ? error.message : error);
  }
}

const open = new Set<Promise<void>>();
for (let n = 0; nowS() < lastS; n += 1) {
  await pause(periodS * 1000);
  while (open.size >= MOST_OPEN) await Promise.race(open);
  const piece = settle(n).finally(() => open.delete(piece));
  open.add(piece);
}
await Promise.all(open);
clearInterval(watching);
const survived = lookAt(daemon.pid, 0) !== undefined && lookAt(enginePid, 0) !== undefined;
await load.close();
await daemon.stop();
await broker.close();
rmSync(folder, { recursive: true, force: true });

const settled = (name: keyof typeof looks) => looks[name].filter(({ atS }) => atS >= warmUpS);
const megabytes = (bytes: number | undefined) => Math.round((bytes ?? Number.NaN) / 1e5) / 10;
const slopes = (['daemon', 'engine'] as const).map((name) => {
  const seen = settled(name);
  const descriptors = seen.map((look) => look.descriptors);
  const slope = Math.round(slopeMbPerHour(seen) * 100) / 100;
  return {
    process: name,
    'MB after warm-up': megabytes(seen[0]?.residentBytes),
    'MB at the end': megabytes(seen.at(-1)?.residentBytes),
    'MB at most': megabytes(Math.max(...seen.map(({ residentBytes }) => residentBytes))),
    'MB per hour': slope,
    descriptors: `${Math.min(...descriptors)} to ${Math.max(...descriptors)}, at the end ${descriptors.at(-1)}`,
  };
});
console.table(slopes);
const thirds = [0, 1, 2].map((third) => {
  const from = warmUpS + ((lastS - warmUpS) * third) / 3;
  const to = warmUpS + ((lastS - warmUpS) * (third + 1)) / 3;
  const ms = latencies.filter(({ atS }) => atS >= from && atS < to).map((sample) => sample.ms);
  return {
    third: third + 1,
    answers: ms.length,
    'p50 ms': Math.round(percentile(ms, 0.5)),
    'p99 ms': Math.round(percentile(ms, 0.99)),
  };
});
console.table(thirds);
console.table(Object.fromEntries([...counts].toSorted(([a], [b]) => a.localeCompare(b))));
console.log(
  `${values.minutes} minutes, ${lost} answers lost, both processes ${survived ? 'the same all the time' : 'NOT the same'}`,
);
const steady = slopes.every((row) => row['MB per hour'] <= MOST_SLOPE);
process.exitCode = lost === 0 && survived && steady ? 0 : 1;
