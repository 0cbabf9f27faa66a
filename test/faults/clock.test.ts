import { existsSync, globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { temporaryFolder, until } from '../e2e/harness.ts';
import { mosquittoAvailable } from '../fakes/brokers.ts';
import { startNode } from './node.ts';

/** A time namespace does not move the wall clock, and nobody may move this machine's: libfaketime does for one process. */
const [LIBFAKETIME] = globSync('/usr/lib/*/faketime/libfaketime.so.1');
if (LIBFAKETIME === undefined)
  console.warn('\n*** clock jumps: skipped, libfaketime is missing ***\n');

const DAY = 24 * 3600;

describe.skipIf(!mosquittoAvailable() || LIBFAKETIME === undefined)('the wall clock', () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  it.each([DAY, -DAY])(
    'jumps by %i s while prompts run and wait: nothing expires, nothing is answered twice, the connection stays',
    async (jumpS) => {
      const folder = temporaryFolder();
      closers.push(folder.remove);
      const offset = join(folder.path, 'offset');
      const move = (seconds: number) =>
        writeFileSync(offset, `${seconds < 0 ? '' : '+'}${seconds}\n`);
      move(0);
      const node = await startNode({
        set: ['log.level=debug', 'mqtt.keepalive_s=10'],
        env: {
          LD_PRELOAD: LIBFAKETIME ?? '',
          FAKETIME_TIMESTAMP_FILE: offset,
          FAKETIME_NO_CACHE: '1',
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
          DONT_FAKE_MONOTONIC: '1',
        },
      });
      closers.push(() => node.close());
      const dates = () => node.daemon.output().match(/"time":"[^"T]+/g) ?? [];
      const today = dates().at(-1);
      const long = { max_tokens: 200, temperature: 2, seed: 3, deadline_ms: 100_000 };
      const asked = ['a', 'b', 'c'].map((id) => node.ask(id, { ...long, stream: true }, 120_000));
      await until(() => node.device.frames('a').length > 3, 'the first answer to grow');
      move(jumpS);
      expect(await Promise.all(asked)).toEqual(['done', 'done', 'done']);
      expect(dates().at(-1), 'the daemon must have seen the jump').not.toBe(today);
      const first = node.device.terminals('a')[0];

      // The window for repeated prompts is an hour, in time that has passed.
      await node.ask('a', { ...long, stream: true });
      await until(() => node.device.terminals('a').length === 2, 'the stored answer');
      // Longer than a broker waits for a sign of life.
      await new Promise((wake) => setTimeout(wake, 16_000));
      expect(node.daemon.output().match(/connected to 127/g)).toHaveLength(1);

      await node.daemon.kill();
      move(-jumpS);
      node.start();
      await node.device.prompt({
        id: 'a',
        messages: [{ role: 'user', content: 'what is MQTT' }],
        ...long,
        stream: true,
      });
      await until(
        () => node.device.terminals('a').length >= 3,
        'the stored answer after a restart',
        150_000,
      );
      expect(new Set(node.device.terminals('a'))).toEqual(new Set([first]));
      expect(await node.ask('after', { deadline_ms: 60_000 })).toBe('done');
      expect(existsSync(offset)).toBe(true);
    },
  );
});
