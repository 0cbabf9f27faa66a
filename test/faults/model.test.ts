import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createRandom } from '../../bench/router/random.ts';
import { convertModel } from '../../src/model/index.ts';
import { temporaryFolder, until } from '../e2e/harness.ts';
import { mosquittoAvailable } from '../fakes/brokers.ts';
import { startNode, type TestNode } from './node.ts';

const NANO = join(import.meta.dirname, '../../models/twowatt-nano');

/** Flips one bit at each of some places. */
function flip(path: string, random: () => number, places: number): void {
  const bytes = readFileSync(path);
  for (let n = 0; n < places; n += 1) {
    const at = Math.floor(random() * bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
  }
  writeFileSync(path, bytes);
}

describe.skipIf(!mosquittoAvailable())('flipped bits in the model', () => {
  const random = createRandom(4);
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  async function nodeWith(set: string[], options: object = {}): Promise<TestNode> {
    const node = await startNode({ set, ...options });
    closers.push(() => node.close());
    return node;
  }
  function folder(): string {
    const { path, remove } = temporaryFolder();
    closers.push(remove);
    return path;
  }

  it('of the cache: found at the next start, made anew, the same answers as before', async () => {
    const cache = folder();
    const node = await nodeWith([`model.cache_path=${cache}`]);
    const answer = async (id: string) => {
      expect(await node.ask(id)).toBe('done');
      return (JSON.parse(node.device.terminals(id)[0] ?? '') as { text: string }).text;
    };
    const before = await answer('before');
    await node.daemon.stop();
    const converted = readdirSync(cache).find((name) => !name.startsWith('.'));
    flip(join(cache, converted ?? '', 'model.onnx.data'), random, 1);
    node.start();
    expect(await answer('after')).toBe(before);
    expect(node.daemon.output()).toMatch(/converted model was damaged \(model\.onnx\.data/);
  });

  it.each(['model.onnx.data', 'model.onnx', 'tokenizer.json'])(
    'of %s in a folder of one’s own: model_corrupt, and refusals instead of answers',
    async (file) => {
      const own = join(folder(), 'own');
      await convertModel(NANO, { out: own });
      flip(join(own, file), random, 3);
      const node = await nodeWith([`model.path=${own}`]);
      expect(await node.reports('model_corrupt')).toContain(basename(file));
      const asked = node.ask('x', {}, 120_000);
      // What is asked waits a minute for a better model.
      expect(await asked).toBe('model_unavailable');
      expect(node.daemon.running()).toBe(true);
    },
  );

  it('of a checkpoint’s header: model_corrupt', async () => {
    const source = join(folder(), 'source');
    cpSync(NANO, source, { recursive: true });
    const weights = join(source, 'model.safetensors');
    const bytes = readFileSync(weights);
    bytes.fill(0xff, 8, 40);
    writeFileSync(weights, bytes);
    const node = await nodeWith([`model.path=${source}`, `model.cache_path=${folder()}`]);
    expect(await node.reports('model_corrupt')).not.toBe('');
    await until(() => node.daemon.running(), 'the daemon to live');
  });
});
