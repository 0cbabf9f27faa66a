/**
 * What the telemetry of an idle board costs on the wire: a real daemon behind a proxy that counts the bytes
 * it sends, its pings and acknowledgements included. Counting begins when the engine is ready.
 *
 *   node bench/telemetry.ts [--minutes N] [--idle SECONDS] [--json]
 *
 * `--idle` is `telemetry.idle_interval_s` (300 unless given); a short one gives many messages in a short
 * time, and the figure for 300 s is then calculated from the bytes of one message.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BASE, connectDevice, NODE_ID, startDaemonProcess, until } from '../test/e2e/harness.ts';
import { mosquittoAvailable, startAedes, startMosquitto } from '../test/fakes/brokers.ts';
import { startTcpProxy } from '../test/fakes/tcp-proxy.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    idle: { type: 'string', default: '300' },
    json: { type: 'boolean', default: false },
  },
});
const minutes = Number(values.minutes);
const IDLE_S = 300;
/** IPv4 and TCP headers of a segment, without options. */
const SEGMENT_BYTES = 40;

const wait = (ms: number) => new Promise((wake) => setTimeout(wake, ms));
const folder = mkdtempSync(join(tmpdir(), 'twowatt-bench-'));
const broker = await (mosquittoAvailable() ? startMosquitto() : startAedes());
const proxy = await startTcpProxy(broker.port);
const daemon = startDaemonProcess({
  brokerUrl: `mqtt://127.0.0.1:${proxy.port}`,
  stateFolder: folder,
  set: [`telemetry.idle_interval_s=${values.idle}`],
});
const device = await connectDevice(broker.url);
try {
  const topic = `${BASE}/${NODE_ID}/telemetry`;
  const last = () => JSON.parse(device.messages(topic).at(-1) ?? '{}') as TelemetryLook;
  await until(() => last().engine?.state === 'ready', 'a telemetry message of a ready engine');
  await wait(5000);
  const bytesBefore = proxy.receivedBytes();
  const messagesBefore = device.messages(topic).length;
  await wait(minutes * 60_000);
  const bytes = proxy.receivedBytes() - bytesBefore;
  const messages = device.messages(topic).slice(messagesBefore);
  const payload = messages.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const payloadBytes = payload / Math.max(1, messages.length);
  // PUBLISH of MQTT 5 around the payload; and a PINGREQ a minute.
  const packetBytes = 10 + topic.length + 24;
  const perHour = (3600 / IDLE_S) * (payloadBytes + packetBytes) + 60 * 2;
  // Message, its acknowledgement's acknowledgement; ping and the acknowledgement of its answer.
  const segments = (3600 / IDLE_S) * 3 + 60 * 2;
  const result = {
    minutes,
    idle_interval_s: Number(values.idle),
    messages: messages.length,
    payload_bytes_each: Math.round(payloadBytes),
    bytes_sent: bytes,
    bytes_per_hour_as_run: Math.round(bytes * (60 / minutes)),
    bytes_per_hour_at_300_s: Math.round(perHour),
    with_tcp_ip_headers_at_300_s: Math.round(perHour + segments * SEGMENT_BYTES),
  };
  if (values.json) console.log(JSON.stringify(result));
  else console.table(result);
} finally {
  await device.close();
  await daemon.stop();
  await proxy.close();
  await broker.close();
  rmSync(folder, { recursive: true, force: true });
}

type TelemetryLook = { engine?: { state: string } };
