import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Telemetry } from '../../../src/protocol/index.ts';
import { createForwarder } from '../../../src/telemetry/index.ts';
import { createVirtualClock, type VirtualClock } from '../../fakes/virtual-clock.ts';
import { telemetryExample } from '../../fixtures/telemetry.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'twowatt-backlog-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Outcome = 'acknowledged' | 'refused' | 'lost';

function setUp(clock: VirtualClock = createVirtualClock()) {
  const sent: { atMs: number; message: Telemetry }[] = [];
  const state = { online: true, synchronised: true, outcome: 'acknowledged' as Outcome };
  const bounds = { maxBytes: 256 * 1024, maxAgeMs: 86_400_000 };
  const file = join(folder, 'backlog.json');
  const make = () =>
    createForwarder({
      clock,
      publish: async (message) => {
        if (!state.online || state.outcome === 'lost') return 'lost';
        sent.push({ atMs: clock.monotonicMs(), message });
        return state.outcome;
      },
      online: () => state.online,
      synchronised: () => state.synchronised,
      bounds: () => bounds,
      file,
      random: () => 0.5,
    });
  const message = (): Telemetry => ({
    ...telemetryExample(),
    ts: new Date(Math.round(clock.wallMs())).toISOString(),
    clock: {
      synchronised: state.synchronised,
      boot: clock.bootId().slice(0, 8),
      boot_ms: Math.round(clock.monotonicMs()),
    },
  });
  return { clock, sent, state, bounds, file, make, forwarder: make(), message };
}

/** One message a minute while there is no connection. */
async function absence(set: ReturnType<typeof setUp>, minutes: number): Promise<string[]> {
  set.state.online = false;
  const stamps: string[] = [];
  for (let minute = 0; minute < minutes; minute += 1) {
    const message = set.message();
    stamps.push(message.ts);
    set.forwarder.offer(message);
    await set.clock.advance(60_000);
  }
  return stamps;
}

describe('telemetry without a connection', () => {
  it('goes out at once and unmarked while there is one', async () => {
    const { clock, forwarder, sent, message, file } = setUp();
    forwarder.offer(message());
    await clock.advance(0);
    expect(sent).toHaveLength(1);
    expect(sent[0]?.message).not.toHaveProperty('late');
    forwarder.close();
    expect(existsSync(file)).toBe(false);
  });

  it('is sent later, oldest first, marked as late, with the time at which it was made', async () => {
    const set = setUp();
    const stamps = await absence(set, 5);
    set.state.online = true;
    set.forwarder.connected();
    await set.clock.advance(60_000);
    expect(set.sent.map(({ message }) => message.ts)).toEqual(stamps);
    expect(set.sent.every(({ message }) => message.late === true)).toBe(true);
    expect(set.forwarder.waiting()).toEqual({ messages: 0, bytes: 0 });
  });

  it('does not flood a broker that comes back: it begins after a while and goes slowly', async () => {
    const set = setUp();
    await absence(set, 30);
    set.state.online = true;
    const back = set.clock.monotonicMs();
    set.forwarder.connected();
    await set.clock.advance(120_000);
    const times = set.sent.map(({ atMs }) => atMs - back);
    expect(times[0]).toBe(15_000);
    for (const [i, at] of times.entries()) expect(at).toBe(15_000 + i * 2000);
    expect(times).toHaveLength(30);
  });

  it('lets what happens now pass before what has happened', async () => {
    const set = setUp();
    await absence(set, 30);
    set.state.online = true;
    set.forwarder.connected();
    await set.clock.advance(16_000);
    const live = set.message();
    set.forwarder.offer(live);
    await set.clock.advance(0);
    expect(set.sent.at(-1)?.message).toEqual(live);
  });

  it('keeps what the connection lost on its way, and sends it in its place', async () => {
    const set = setUp();
    set.state.outcome = 'lost';
    const first = set.message();
    set.forwarder.offer(first);
    await set.clock.advance(0);
    await set.clock.advance(20_000);
    set.state.online = false;
    const second = set.message();
    set.forwarder.offer(second);
    await set.clock.advance(20_000);
    Object.assign(set.state, { online: true, outcome: 'acknowledged' });
    set.forwarder.connected();
    await set.clock.advance(60_000);
    expect(set.sent.map(({ message }) => message.ts)).toEqual([first.ts, second.ts]);
  });

  it('leaves out what the greeting of the new connection says anyway', async () => {
    const set = setUp();
    set.state.online = false;
    set.forwarder.offer(set.message());
    await set.clock.advance(5000);
    set.state.online = true;
    set.forwarder.connected();
    await set.clock.advance(60_000);
    expect(set.sent).toEqual([]);
  });

  it('gives up what a broker refuses', async () => {
    const set = setUp();
    await absence(set, 3);
    Object.assign(set.state, { online: true, outcome: 'refused' });
    set.forwarder.connected();
    await set.clock.advance(60_000);
    expect(set.forwarder.waiting().messages).toBe(0);
    expect(set.sent).toHaveLength(3);
  });

  it('is bounded in bytes and then remembers the whole absence more coarsely', async () => {
    const set = setUp();
    set.bounds.maxBytes = 20_000;
    const stamps = await absence(set, 600);
    expect(set.forwarder.waiting().bytes).toBeLessThanOrEqual(20_000);
    set.state.online = true;
    set.forwarder.connected();
    await set.clock.advance(300_000);
    const kept = set.sent.map(({ message }) => Date.parse(message.ts));
    expect(new Date(kept[0] ?? 0).toISOString()).toBe(stamps[0]);
    expect(new Date(kept.at(-1) ?? 0).toISOString()).toBe(stamps.at(-1));
    const gaps = kept.slice(1).map((at, i) => at - (kept[i] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual((2.5 * (600 * 60_000)) / kept.length);
  });

  it('is bounded in age, and by nothing kept when the bound is zero', async () => {
    const set = setUp();
    set.bounds.maxAgeMs = 10 * 60_000;
    await absence(set, 60);
    expect(set.forwarder.waiting().messages).toBeLessThanOrEqual(11);
    set.bounds.maxBytes = 0;
    await absence(set, 1);
    expect(set.forwarder.waiting().messages).toBe(0);
  });

  it('outlives a stop, and costs a power cut at most the last quarter of an hour', async () => {
    const set = setUp();
    const stamps = await absence(set, 40);
    // A power cut: nobody closes it.
    const onDisk = JSON.parse(readFileSync(set.file, 'utf8')) as { entries: unknown[] };
    expect(onDisk.entries.length).toBeGreaterThanOrEqual(40 - 15 - 1);
    set.forwarder.close();
    set.clock.reboot({ downMs: 3_600_000 });
    const after = set.make();
    set.state.online = true;
    after.connected();
    await set.clock.advance(200_000);
    expect(set.sent.map(({ message }) => message.ts)).toEqual(stamps);
    expect(existsSync(set.file)).toBe(false);
  });

  it('starts all the same when the stored file is damaged', async () => {
    const set = setUp();
    for (const text of ['{', '[]', '{"v":1,"entries":[1,{"text":"x"}]}', '{"v":9,"entries":[]}']) {
      writeFileSync(set.file, text);
      expect(set.make().waiting().messages).toBe(0);
    }
  });
});

describe('telemetry by a clock that is wrong', () => {
  it('is dated anew when the clock was set before it could be sent', async () => {
    const clock = createVirtualClock({ wallMs: Date.UTC(2026, 0, 3), wallTrusted: false });
    const set = setUp(clock);
    Object.assign(set.state, { online: false, synchronised: false });
    const madeAt = clock.monotonicMs();
    set.forwarder.offer(set.message());
    await clock.advance(600_000);
    clock.jumpWall(150 * 86_400_000);
    clock.setWallTrusted(true);
    Object.assign(set.state, { online: true, synchronised: true });
    set.forwarder.connected();
    await clock.advance(60_000);
    const { message } = set.sent[0] ?? {};
    const age = clock.monotonicMs() - madeAt;
    expect(Date.parse(message?.ts ?? '')).toBe(Math.round(clock.wallMs() - age));
    expect(message?.clock).toMatchObject({ synchronised: true, corrected: true });
  });

  it('keeps its own time while nobody knows better', async () => {
    const clock = createVirtualClock({ wallTrusted: false });
    const set = setUp(clock);
    Object.assign(set.state, { online: false, synchronised: false });
    const message = set.message();
    set.forwarder.offer(message);
    await clock.advance(600_000);
    set.state.online = true;
    set.forwarder.connected();
    await clock.advance(60_000);
    expect(set.sent[0]?.message.ts).toBe(message.ts);
    expect(set.sent[0]?.message.clock).toMatchObject({ synchronised: false });
    expect(set.sent[0]?.message.clock).not.toHaveProperty('corrected');
  });

  it('is not dated by the clock of another boot', async () => {
    const set = setUp();
    Object.assign(set.state, { online: false, synchronised: false });
    const message = set.message();
    set.forwarder.offer(message);
    set.forwarder.close();
    set.clock.reboot({ downMs: 1000 });
    set.clock.jumpWall(86_400_000);
    const after = set.make();
    Object.assign(set.state, { online: true, synchronised: true });
    after.connected();
    await set.clock.advance(60_000);
    expect(set.sent[0]?.message.ts).toBe(message.ts);
    expect(set.sent[0]?.message.clock).toMatchObject({ synchronised: false });
  });
});
