/**
 * What traces cost the daemon: its resident memory idle and after prompts over MQTT, as shipped
 * (`npm run build` first), with `tracing.endpoint` unset, with a collector, and with one that is away.
 *
 *   node bench/tracing.ts [--prompts N] [--json]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectDevice, NODE_ID, temporaryFolder, waitOnline } from '../test/e2e/harness.ts';
import { freePort, mosquittoAvailable, startAedes, startMosquitto } from '../test/fakes/brokers.ts';
import { startOtlpCollector } from '../test/fakes/otlp-collector.ts';

const { values } = parseArgs({
  options: {
    prompts: { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
  },
});
const prompts = Number(values.prompts);
/** After the start the heap still settles; after prompts the last batch of spans goes out. */
const SETTLE_MS = 20_000;
const PROGRAM = resolve(import.meta.dirname, '../bin/twowatt.js');

const rssMib = (pid: number) =>
  Math.round(
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 102.4,
  ) / 10;

async function measure(way: string, endpoint: string) {
  const folder = temporaryFolder();
  const broker = await (mosquittoAvailable() ? startMosquitto() : startAedes());
  const device = await connectDevice(broker.url, { protocolVersion: mosquittoAvailable() ? 5 : 4 });
  const settings = {
    'mqtt.url': broker.url,
    'node.id': NODE_ID,
    'node.state_folder': folder.path,
    'engine.threads': '1',
    'http.port': '0',
    'governor.budget_w': '500',
    'tracing.endpoint': endpoint,
  };
  const daemon = spawn(
    process.execPath,
    [
      PROGRAM,
      'run',
      ...Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
    ],
    { stdio: 'ignore', env: { ...process.env, HOME: folder.path } },
  );
  const exited = once(daemon, 'exit');
  try {
    await waitOnline(device);
    await delay(SETTLE_MS);
    const idle = rssMib(daemon.pid ?? 0);
    for (let n = 0; n < prompts; n += 1) {
      await device.prompt({
        id: `p${n}`,
        prompt: `turn on lamp ${n}`,
        max_tokens: 8,
        route: 'edge',
      });
      await device.terminal(`p${n}`);
    }
    await delay(SETTLE_MS);
    return { way, idle_mib: idle, after_prompts_mib: rssMib(daemon.pid ?? 0) };
  } finally {
    daemon.kill('SIGTERM');
    await exited;
    await device.close();
    await broker.close();
    folder.remove();
  }
}

const collector = await startOtlpCollector();
const rows = [
  await measure('off', ''),
  await measure('on', collector.url),
  await measure('collector away', `http://127.0.0.1:${await freePort()}`),
];
const spans = collector.spans.length;
await collector.close();
if (values.json) console.log(JSON.stringify({ prompts, spans, rows }));
else {
  console.table(rows);
  console.log(`${spans} spans of ${prompts} prompts reached the collector`);
}
