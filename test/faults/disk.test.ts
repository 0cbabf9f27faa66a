import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../e2e/harness.ts';
import { mosquittoAvailable } from '../fakes/brokers.ts';
import { startNode, type TestNode } from './node.ts';
import { makeSmallDisk, noSmallDisk, type SmallDisk } from './small-disk.ts';

/** The journal is swept every minute, which writes. */
const PAST_THE_SWEEP_MS = 65_000;

describe.skipIf(!mosquittoAvailable() || noSmallDisk() !== null)('the disk', () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  const pause = (ms: number) => new Promise((wake) => setTimeout(wake, ms));

  async function onSmallDisk(
    options: Parameters<typeof startNode>[0] = {},
  ): Promise<{ disk: SmallDisk; node: TestNode }> {
    const disk = makeSmallDisk();
    closers.push(() => disk.close());
    const stateFolder = join(disk.path, 'state');
    mkdirSync(stateFolder, { mode: 0o700 });
    const node = await startNode({ ...options, stateFolder });
    closers.push(() => node.close());
    return { disk, node };
  }

  /**
   * Asks until one is refused, and says how. The log has some free bytes in its last block, so the first
   * may be accepted; their answers then wait for room, in `ends`.
   */
  async function askUntilRefused(
    node: TestNode,
    prefix: string,
    ends: Promise<string>[] = [],
  ): Promise<string> {
    const refusals: string[] = [];
    const content = 'what is MQTT '.repeat(400);
    for (let n = 0; n < 60 && refusals.length === 0; n += 1) {
      const messages = [{ role: 'user', content }];
      const end = node.ask(`${prefix}${n}`, { messages, max_tokens: 1 }, 300_000);
      void end.then((code) => {
        if (!/^(done|context_length_exceeded)$/.test(code)) refusals.push(code);
        return code;
      });
      ends.push(end);
      await pause(300);
    }
    await until(() => refusals.length > 0, 'a refusal', 60_000);
    return refusals[0] ?? '';
  }

  it('full: prompts are refused as queue_full, the daemon lives, and serves when there is room', async () => {
    const { disk, node } = await onSmallDisk();
    expect(await node.ask('before')).toBe('done');
    disk.fill();
    const ends: Promise<string>[] = [];
    expect(await askUntilRefused(node, 'full', ends)).toBe('queue_full');
    expect(await node.reports('disk_full')).toMatch(/disk_full/);
    await pause(PAST_THE_SWEEP_MS);
    expect(node.daemon.running()).toBe(true);
    expect(await askUntilRefused(node, 'still', ends)).toBe('queue_full');
    disk.makeRoom();
    expect(await node.ask('after')).toBe('done');
    await node.reports('disk_full', false, 90_000);
    // What was accepted is answered, what was refused was told so.
    for (const end of await Promise.all(ends))
      expect(end).toMatch(/^(done|context_.*|queue_full)$/);
  });

  it('full, with the log on it too: the daemon lives and serves when there is room', async () => {
    const log = 'log.jsonl';
    const { disk, node } = await onSmallDisk({
      set: ['log.level=debug'],
      through: ['sh', '-c', `exec "$@" > "$HOME/${log}"`, 'sh'],
    });
    disk.fill();
    expect(await askUntilRefused(node, 'full')).toBe('queue_full');
    // Enough lines to need a new block for the log.
    for (let n = 0; n < 60; n += 1)
      expect(await node.ask(`more${n}`, { n: 2 })).toBe('unsupported');
    expect(node.daemon.running()).toBe(true);
    disk.makeRoom();
    expect(await node.ask('after')).toBe('done');
    const lines = () => readFileSync(join(node.stateFolder, log), 'utf8');
    await until(() => lines().includes('"id":"after"'), 'the log to go on');
  });

  it('read-only all at once: prompts are refused, the daemon lives, and what it had goes on after a repair', async () => {
    const { disk, node } = await onSmallDisk();
    const long = { max_tokens: 160, temperature: 2, seed: 1, stream: true };
    const running = node.ask('running', long, 240_000);
    await until(() => node.device.frames('running').length > 3, 'an answer that grows');
    disk.turnReadOnly();
    expect(await askUntilRefused(node, 'read-only')).toBe('queue_full');
    expect(await node.reports('disk_full')).toMatch(/read_only|io/);
    await pause(PAST_THE_SWEEP_MS);
    expect(node.daemon.running()).toBe(true);
    expect(node.device.terminals('running')).toEqual([]);
    await node.daemon.kill();
    disk.repair();
    node.start();
    expect(await running).toBe('done');
    expect(await node.ask('after')).toBe('done');
  });

  it('read-only at the start: ends with a message that names the journal', async () => {
    const { disk, node } = await onSmallDisk();
    await node.daemon.stop();
    disk.turnReadOnly();
    node.start();
    expect(await node.daemon.exited).toBe(1);
    expect(node.daemon.output()).toMatch(
      /journal .*queue\.sqlite: (.*read-only|reading or writing it failed)/,
    );
  });
});
