import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { killQuietly } from '../e2e/harness.ts';
import { mosquittoAvailable } from '../fakes/brokers.ts';
import { startNode, type TestNode } from './node.ts';

const hasPrlimit = spawnSync('prlimit', ['--version']).error === undefined;
/** Version 1 and 2 of control groups name the limit differently. */
const MEMORY = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup'].find((folder) =>
  existsSync(join(folder, folder.endsWith('memory') ? 'memory.limit_in_bytes' : 'memory.max')),
);

describe.skipIf(!mosquittoAvailable() || !hasPrlimit)('resources that run out', () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  async function startedNode(): Promise<TestNode> {
    const node = await startNode();
    closers.push(() => node.close());
    return node;
  }
  const descriptorsOf = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;
  const allow = (pid: number, descriptors: number) =>
    execFileSync('prlimit', ['--pid', String(pid), `--nofile=${descriptors}:4096`]);
  const pause = (ms: number) => new Promise((wake) => setTimeout(wake, ms));

  it.each([0, 3, 8])(
    'file descriptors, %i left: engine, broker and HTTP come back when there are some',
    async (left) => {
      const node = await startedNode();
      const { pid } = node.daemon;
      const http = await node.daemon.httpUrl();
      expect(await node.ask('before')).toBe('done');
      allow(pid, descriptorsOf(pid) + left);
      killQuietly(await node.daemon.enginePid());
      await node.broker.kill();
      const clients = Array.from({ length: 30 }, () =>
        fetch(`${http}/readyz`, { signal: AbortSignal.timeout(3000) })
          .then((response) => response.status)
          .catch(() => 0),
      );
      await Promise.all(clients);
      await pause(8000);
      expect(node.daemon.running(), node.daemon.output().slice(-2000)).toBe(true);
      await node.broker.start();
      await pause(3000);
      allow(pid, 4096);
      expect(await node.ask('after', {}, 120_000)).toBe('done');
      expect((await fetch(`${http}/healthz`)).status).toBe(200);
      expect(node.daemon.running()).toBe(true);
    },
  );

  it('address space of the engine: it ends, and its prompt is answered by the next one', async () => {
    const node = await startedNode();
    const pid = await node.daemon.enginePid();
    expect(await node.ask('before')).toBe('done');
    // Not a byte more than it has now.
    const kilobytes = Number(
      /^VmSize:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1],
    );
    execFileSync('prlimit', ['--pid', String(pid), `--as=${kilobytes * 1024}`]);
    const long = 'what is MQTT '.repeat(180);
    const end = await node.ask('long', {
      messages: [{ role: 'user', content: long }],
      max_tokens: 64,
    });
    expect(end).toBe('done');
    expect(await node.ask('after')).toBe('done');
    expect(node.daemon.running()).toBe(true);
  });

  it.skipIf(MEMORY === undefined || process.getuid?.() !== 0)(
    'memory of the machine: the kernel kills the engine over and over; told as a condition, and well again with memory',
    async () => {
      const node = await startedNode();
      const group = join(MEMORY ?? '', `twowatt-faults-${process.pid}`);
      mkdirSync(group);
      closers.unshift(() => rmdirSync(group));
      const limit = (bytes: number | string) => {
        const file = MEMORY?.endsWith('memory') === true ? 'memory.limit_in_bytes' : 'memory.max';
        writeFileSync(join(group, file), String(bytes));
      };
      expect(await node.ask('before')).toBe('done');
      limit(20 * 1024 * 1024);
      // Each engine that comes is put into the group, as a system without memory would squeeze it.
      const squeeze = setInterval(() => {
        for (const pid of node.daemon.children()) {
          try {
            writeFileSync(join(group, 'cgroup.procs'), String(pid));
          } catch {
            // It is gone already.
          }
        }
      }, 20);
      const engine = await node.daemon.enginePid();
      killQuietly(engine);
      const code = await Promise.race([
        node.reports('engine_unavailable', true, 120_000).then(() => 'engine_unavailable'),
        node.reports('engine_restarting', true, 120_000).then(() => 'engine_restarting'),
      ]);
      expect(code).toMatch(/engine_/);
      clearInterval(squeeze);
      limit(4 * 1024 * 1024 * 1024);
      for (const pid of node.daemon.children()) killQuietly(pid);
      expect(await node.ask('after', {}, 120_000)).toBe('done');
      expect(node.daemon.running()).toBe(true);
    },
  );
});
