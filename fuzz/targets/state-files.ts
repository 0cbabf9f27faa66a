import { publicLogLine } from '../../src/doctor/probes/log.ts';
import { createScrubber } from '../../src/doctor/scrub.ts';
import { createPacketSizeGuard } from '../../src/gateway/mqtt/packet-size-guard.ts';
import { keepOnlyTheDay, unpackState } from '../../src/governor/saved-state.ts';
import { checkOverlay } from '../../src/hardware/profile-overlay.ts';
import { readProfile } from '../../src/hardware/profile.ts';
import { parseLabels } from '../../src/router/labels.ts';
import { codedOnly, ensure, inTime, scratchFile } from '../expect.ts';

/** Files that the daemon finds again after a crash, log lines of a support bundle, and broker bytes. */
export const name = 'state-files';

const SECRET = 'canary "secret"/+=';
const scrub = createScrubber([SECRET]);
const MOST_PACKET_BYTES = 1000;

export const seeds = () => [
  '{"version":1,"steps":{"paces":{"a":{"factor":1,"seen":2,"strays":0}},"powers":{}},"idle":{"x":1},"trim":0,"day":{"elapsedMs":1,"usedJ":2}}',
  '{"v":1,"profile":"x","measured":{"at":"2026-01-01T00:00:00Z","model":{"id":"a","digest":"b","form":"c","bytes_per_token":1},"meter":"m","twowatt":"1","notes":[]},"sources":{}}',
  '{"level":"info","time":"x","room":"mqtt","msg":"connected","prompt":"canary"}',
  `${JSON.stringify(SECRET)} ${encodeURIComponent(SECRET)} ${Buffer.from(SECRET).toString('base64')}`,
  '{"prompt":"x","weak":0.5,"strong":true}\n\n{"prompt":"y"}',
  '\u0010\u0080\u0080\u0001\u0030\u0005abcde\u00c0\u0000',
];

function accepts(data: Buffer, step: number): boolean {
  const guard = createPacketSizeGuard(MOST_PACKET_BYTES);
  let ok = true;
  for (let at = 0; at < data.length; at += step) ok = guard.accepts(data.subarray(at, at + step));
  return ok;
}

export function fuzz(data: Buffer): void {
  const text = data.toString();
  ensure(accepts(data, Math.max(1, data.length)) === accepts(data, 1), 'however bytes arrive');
  const line = inTime(() => publicLogLine(text));
  ensure(line === undefined || !line.includes('"prompt"'), 'only known fields are public');
  const scrubbed = JSON.stringify(inTime(() => scrub({ [text]: [text] })));
  ensure(!scrubbed.includes(JSON.stringify(SECRET).slice(1, -1)), 'secrets are masked');
  try {
    inTime(() => parseLabels(text));
  } catch (error) {
    ensure(error instanceof RangeError, `labels: ${String(error)}`);
  }
  codedOnly(() => readProfile(scratchFile('profile.json', data)));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return;
  }
  inTime(() => unpackState(value));
  inTime(() => keepOnlyTheDay(value));
  inTime(() => checkOverlay(value));
}
