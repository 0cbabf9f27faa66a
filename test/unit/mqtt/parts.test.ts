import { describe, expect, it } from 'vitest';
import { createBackoff } from '../../../src/gateway/mqtt/backoff.ts';
import { parseBrokerUrl } from '../../../src/gateway/mqtt/connection.ts';
import { createDuplicateGuard } from '../../../src/gateway/mqtt/duplicate-guard.ts';
import { createPacketSizeGuard } from '../../../src/gateway/mqtt/packet-size-guard.ts';
import { errorProblem, refusalProblem } from '../../../src/gateway/mqtt/problems.ts';
import { readEcho } from '../../../src/gateway/mqtt/properties.ts';
import { createProtocolChoice } from '../../../src/gateway/mqtt/protocol-choice.ts';
import { createRouter } from '../../../src/gateway/mqtt/routes.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

describe('backoff', () => {
  it('doubles up to the cap, half of it random', () => {
    const least = createBackoff(1000, () => 0);
    expect([1, 2, 3, 4, 5, 6, 7].map(() => least.next(30_000))).toEqual([
      500, 1000, 2000, 4000, 8000, 15_000, 15_000,
    ]);
    const most = createBackoff(1000, () => 1);
    expect([1, 2, 3].map(() => most.next(60_000))).toEqual([1000, 2000, 4000]);
    for (let index = 0; index < 100; index += 1) most.next(60_000);
    expect(most.next(60_000)).toBe(60_000);
    most.reset();
    expect(most.next(60_000)).toBe(1000);
  });
});

describe('duplicate guard', () => {
  const guarded = () => {
    const clock = createVirtualClock();
    const seen: string[] = [];
    const guard = createDuplicateGuard({
      instance: 'me',
      clock,
      onDuplicate: () => seen.push('duplicate'),
      onGone: () => seen.push('gone'),
    });
    return { clock, seen, guard };
  };
  const online = { state: 'online', since: null, instance: 'other' } as const;

  it('reports a takeover once, and its end after a quiet time', async () => {
    const { clock, seen, guard } = guarded();
    guard.takenOver();
    await clock.advance(60_000);
    guard.takenOver();
    await clock.advance(179_000);
    expect(seen).toEqual(['duplicate']);
    expect(guard.active()).toBe(true);
    await clock.advance(2000);
    expect(seen).toEqual(['duplicate', 'gone']);
    guard.takenOver();
    expect(seen).toEqual(['duplicate', 'gone', 'duplicate']);
    guard.stop();
    expect(clock.pendingTimers()).toBe(0);
  });

  it('knows a live stranger from an old Last Will and from itself', () => {
    const { seen, guard } = guarded();
    guard.stateSeen(online, true);
    guard.stateSeen(online, false);
    expect(seen).toEqual([]);
    guard.established();
    guard.stateSeen({ ...online, instance: 'me' }, false);
    guard.stateSeen({ ...online, state: 'offline' }, false);
    expect(seen).toEqual([]);
    guard.stateSeen(online, false);
    expect(seen).toEqual(['duplicate']);
  });

  it('wants to see a retained stranger twice, and soon', async () => {
    const { clock, seen, guard } = guarded();
    guard.established();
    guard.stateSeen(online, true);
    await clock.advance(400_000);
    guard.stateSeen(online, true);
    expect(seen).toEqual([]);
    await clock.advance(10_000);
    guard.stateSeen({ ...online, state: 'offline' }, true);
    expect(seen).toEqual(['duplicate']);
  });
});

describe('choice of the protocol', () => {
  it('falls back at once when the broker refuses, and tries MQTT 5 again much later', async () => {
    const clock = createVirtualClock();
    const choice = createProtocolChoice('auto', clock);
    expect(choice.next()).toBe(5);
    expect(choice.failed('refused')).toBe(true);
    expect(choice.next()).toBe(4);
    await clock.advance(599_000);
    expect(choice.next()).toBe(4);
    await clock.advance(2000);
    expect(choice.next()).toBe(5);
  });

  it('takes a broker that hangs up for an old one only after several times', () => {
    const choice = createProtocolChoice('auto', createVirtualClock());
    expect([choice.failed('silent'), choice.failed('silent')]).toEqual([false, false]);
    choice.accepted();
    expect([choice.failed('silent'), choice.failed('silent')]).toEqual([false, false]);
    expect(choice.next()).toBe(5);
    expect(choice.failed(undefined)).toBe(false);
    expect(choice.failed('silent')).toBe(true);
    expect(choice.next()).toBe(4);
  });

  it('keeps to a version that was asked for', () => {
    const choice = createProtocolChoice(5, createVirtualClock());
    expect(choice.failed('refused')).toBe(false);
    expect(choice.next()).toBe(5);
  });
});

describe('packet size guard', () => {
  /** A packet with so many bytes behind its fixed header. */
  const packet = (remaining: number): Buffer => {
    const length: number[] = [];
    for (let rest = remaining; length.length === 0 || rest > 0; rest = Math.floor(rest / 128)) {
      length.push((rest % 128) + (rest >= 128 ? 0x80 : 0));
    }
    return Buffer.concat([Buffer.from([0x30, ...length]), Buffer.alloc(remaining)]);
  };

  it('lets packets through up to the bound, however the bytes are cut', () => {
    const stream = Buffer.concat([0, 1, 127, 128, 16_383, 16_384, 20_000, 0].map(packet));
    for (const size of [1, 2, 3, 1000, stream.length]) {
      const guard = createPacketSizeGuard(20_000);
      for (let at = 0; at < stream.length; at += size) {
        expect(guard.accepts(stream.subarray(at, at + size))).toBe(true);
      }
    }
  });

  it('refuses a larger one as soon as it is announced', () => {
    const guard = createPacketSizeGuard(20_000);
    expect(guard.accepts(packet(5))).toBe(true);
    expect(guard.accepts(packet(20_001).subarray(0, 4))).toBe(false);
    expect(guard.accepts(packet(1))).toBe(false);
  });

  it('refuses a length of five bytes', () => {
    expect(createPacketSizeGuard(2 ** 40).accepts(Buffer.from([0x30, 255, 255, 255, 255, 1]))).toBe(
      false,
    );
  });
});

describe('routes', () => {
  const route = createRouter({ baseTopic: 'a/b', node: 'n', pools: ['p'] });

  it('knows what is ours', () => {
    expect(route('a/b/n/prompt')).toMatchObject({ kind: 'prompt', prompt: { format: 'frames' } });
    expect(route('a/b/n/prompt/text')).toMatchObject({ prompt: { format: 'text' } });
    expect(route('a/b/pool/p/prompt')).toEqual({ kind: 'prompt', prompt: expect.anything() });
    expect(route('a/b/pool/q/prompt')).toMatchObject({ kind: 'prompt', strayPool: 'q' });
    expect(route('a/b/n/cancel')).toEqual({ kind: 'cancel' });
    expect(route('a/b/pool/p/cancel')).toEqual({ kind: 'cancel' });
    expect(route('a/b/n/request/config.get')).toEqual({ kind: 'request', verb: 'config.get' });
    expect(route('a/b/n/state')).toEqual({ kind: 'state' });
  });

  it('takes everything else for a stranger', () => {
    for (const topic of [
      'a/b/m/prompt',
      'x/n/prompt',
      'a/b/n',
      'a/b/pool/p',
      'a/b/pool/p/x/prompt',
    ]) {
      expect(route(topic)).toEqual({ kind: 'stranger' });
    }
  });
});

describe('problems', () => {
  it('names what to check', () => {
    const errno = (code: string) => Object.assign(new Error('x'), { code });
    expect(errorProblem('h:1', errno('ENOTFOUND')).message).toContain('DNS');
    expect(errorProblem('h:1', errno('ECONNREFUSED')).message).toContain('is the broker running');
    expect(errorProblem('h:1', errno('DEPTH_ZERO_SELF_SIGNED_CERT')).kind).toContain('tls');
    expect(errorProblem('h:1', undefined).kind).toBe('closed');
    expect(refusalProblem('h:1', 5).message).toContain('mqtt.password_file');
    expect(refusalProblem('h:1', 0x87).message).toContain('mqtt.password_file');
    expect(refusalProblem('h:1', 0xee).message).toContain('238');
  });

  it('reads broker URLs', () => {
    expect(parseBrokerUrl('mqtt://h')).toEqual({ host: 'h', port: 1883, secure: false });
    expect(parseBrokerUrl('mqtts://[::1]:99')).toEqual({ host: '::1', port: 99, secure: true });
    expect(parseBrokerUrl('mqtt://a%40b:c@h:5')).toMatchObject({ username: 'a@b', password: 'c' });
    for (const bad of ['', 'h:1883', 'http://h', 'mqtt://']) {
      expect(() => parseBrokerUrl(bad)).toThrow('mqtt.url');
    }
  });
});

describe('echoed properties', () => {
  it('keeps names that mean something to JavaScript', () => {
    const given = JSON.parse('{"__proto__":"x","constructor":["a","b"]}') as Record<string, string>;
    const kept = readEcho({ userProperties: given }).userProperties;
    expect(JSON.stringify(kept)).toBe('{"__proto__":"x","constructor":["a","b"]}');
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  it('is null without any', () => {
    expect(readEcho(undefined)).toEqual({ correlation: null, userProperties: null });
    expect(readEcho({ userProperties: {} })).toEqual({ correlation: null, userProperties: null });
  });
});
