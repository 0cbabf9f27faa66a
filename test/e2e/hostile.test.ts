import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MosquittoBroker, mosquittoAvailable, startMosquitto } from '../fakes/brokers.ts';
import {
  BASE,
  connectDevice,
  type DaemonProcess,
  type Device,
  NODE_ID,
  startDaemonProcess,
  temporaryFolder,
  until,
  waitOnline,
} from './harness.ts';

const MESSAGES = 10_000;
/** Room for the heap to breathe; a leak of a kilobyte a message would be 10 MB on top of it. */
const GROWTH_BYTES = 24 * 1024 * 1024;

const root = `${BASE}/${NODE_ID}`;
const messages = [{ role: 'user', content: 'x' }];

type Attack = {
  name: string;
  topic: string;
  payload: (index: number) => string | Buffer;
  /** The code that the sender must be told; undefined where no answer is due. */
  code?: string;
  /** Where the answer is due. */
  reply?: (index: number) => string;
  retain?: boolean;
};

const invalid = () => `${root}/reply/invalid`;
const own = (prefix: string) => (index: number) => `${root}/reply/${prefix}${index}`;
const json = (body: object) => JSON.stringify(body);

const ATTACKS: Attack[] = [
  {
    name: 'broken JSON',
    topic: 'prompt',
    payload: () => '{"messages":[',
    code: 'invalid_request',
    reply: invalid,
  },
  { name: 'empty', topic: 'prompt', payload: () => '', code: 'invalid_request', reply: invalid },
  {
    name: 'invalid UTF-8',
    topic: 'prompt',
    payload: () =>
      Buffer.concat([Buffer.from('{"id":"'), Buffer.of(0xc3, 0x28, 0xff), randomBytes(20)]),
    code: 'invalid_request',
    reply: invalid,
  },
  {
    name: 'wrong types',
    topic: 'prompt',
    payload: (index) => json({ id: `t${index}`, messages: { role: index }, temperature: [] }),
    code: 'invalid_request',
    reply: own('t'),
  },
  {
    name: 'deep nesting',
    topic: 'prompt',
    payload: () => `{"messages":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
    code: 'invalid_request',
    reply: invalid,
  },
  {
    name: 'huge payload',
    topic: 'prompt',
    payload: () => Buffer.alloc(200_000, 'a'),
    code: 'payload_too_large',
    reply: invalid,
  },
  {
    name: 'reply topic that commands a board',
    topic: 'prompt',
    payload: (index) => json({ id: `r${index}`, messages, reply_to: `${root}/request/drain` }),
    code: 'invalid_request',
    reply: own('r'),
  },
  {
    name: 'reply topic with wildcards',
    topic: 'prompt',
    payload: (index) => json({ id: `w${index}`, messages, reply_to: '#' }),
    code: 'invalid_request',
    reply: own('w'),
  },
  {
    name: 'id that reaches into other topics',
    topic: 'prompt',
    payload: (index) => json({ id: `../../x${index}`, messages }),
    code: 'invalid_request',
    reply: invalid,
  },
  {
    name: 'prototype pollution',
    topic: 'prompt',
    payload: (index) =>
      `{"id":"p${index}","__proto__":{"stream":true},"constructor":1,"messages":7}`,
    code: 'invalid_request',
    reply: own('p'),
  },
  {
    name: 'tools',
    topic: 'prompt',
    payload: (index) => json({ id: `u${index}`, messages, tools: [{ type: 'function' }] }),
    code: 'unsupported',
    reply: own('u'),
  },
  { name: 'malformed cancel', topic: 'cancel', payload: () => '[{' },
  { name: 'cancel of nothing', topic: 'cancel', payload: (index) => json({ id: `none${index}` }) },
  {
    name: 'unknown request',
    topic: 'request/self.destruct',
    payload: (index) => json({ transaction: index }),
    code: 'unsupported',
    reply: () => `${root}/response/self.destruct`,
  },
  {
    name: 'malformed request',
    topic: 'request/ping',
    payload: () => 'not json',
    code: 'invalid_request',
    reply: () => `${root}/response/ping`,
  },
  { name: 'retained prompt', topic: 'prompt', payload: () => json({ messages }), retain: true },
  { name: 'topic that does not exist', topic: 'prompt/extra/level', payload: () => 'x' },
  {
    name: 'noise',
    topic: 'prompt',
    payload: () => Buffer.concat([Buffer.from('{'), randomBytes(100)]),
    code: 'invalid_request',
    reply: invalid,
  },
];

function residentBytes(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return pages * 4096;
}

describe.skipIf(!mosquittoAvailable())('10,000 malformed and hostile messages', () => {
  let broker: MosquittoBroker;
  let device: Device;
  let daemon: DaemonProcess;
  const folder = temporaryFolder();

  beforeAll(async () => {
    broker = await startMosquitto({ config: ['max_queued_messages 20000'] });
    device = await connectDevice(broker.url);
    daemon = startDaemonProcess({ brokerUrl: broker.url, stateFolder: folder.path });
    await waitOnline(device);
  });
  afterAll(async () => {
    await daemon.stop();
    await device.close();
    await broker.close();
    folder.remove();
  });

  async function attack(from: number, to: number): Promise<void> {
    for (let index = from; index < to; index += 1) {
      const { topic, payload, retain } = ATTACKS[index % ATTACKS.length] ?? ATTACKS[0]!;
      await device.publish(`${root}/${topic}`, payload(index), { retain: retain ?? false });
    }
    // A request after all of them, answered in order, tells when the last one was handled.
    await device.publish(`${root}/prompt`, json({ id: `end${to}`, messages, n: 2 }));
    await device.terminal(`end${to}`, 120_000);
  }

  it(
    'answers each with its coded error where one is due, does not grow, and serves on',
    { timeout: 300_000 },
    async () => {
      const warmUp = 2000;
      await attack(0, warmUp);
      const before = residentBytes(daemon.pid);
      await attack(warmUp, MESSAGES);
      const after = residentBytes(daemon.pid);

      const expected = new Map<string, number>();
      for (let index = 0; index < MESSAGES; index += 1) {
        const { code, reply } = ATTACKS[index % ATTACKS.length] ?? ATTACKS[0]!;
        if (code === undefined || reply === undefined) continue;
        const key = `${reply(index)} ${code}`;
        expected.set(key, (expected.get(key) ?? 0) + 1);
      }
      const seen = (topic: string, code: string) =>
        device.messages(topic).filter((text) => text.includes(`"code":"${code}"`)).length;
      await until(
        () =>
          [...expected].every(
            ([key, count]) => seen(...(key.split(' ') as [string, string])) >= count,
          ),
        'every answer that is due',
      );
      for (const [key, count] of expected) {
        expect(seen(...(key.split(' ') as [string, string])), key).toBe(count);
      }

      expect(after - before, `resident bytes before ${before}, after ${after}`).toBeLessThan(
        GROWTH_BYTES,
      );
      await device.prompt({ id: 'alive', messages: [{ role: 'user', content: 'what is MQTT' }] });
      expect(await device.terminal('alive')).toMatchObject({ type: 'done' });
      console.log(
        `${MESSAGES} hostile messages: resident ${Math.round(before / 1e6)} MB before, ${Math.round(after / 1e6)} MB after`,
      );
    },
  );
});
