import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTreeCpu, parseStat } from '../../../src/hardware/process-cpu.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'twowatt-proc-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

type Times = { own: number; reaped?: number; ppid?: number; started?: number };

/** Writes `/proc/PID/stat`, with a name that holds what separates fields. */
function putProcess(pid: number, { own, reaped = 0, ppid = 1, started = 5 }: Times): void {
  mkdirSync(join(root, String(pid), 'task', String(pid)), { recursive: true });
  const fields = [
    'S',
    ppid,
    pid,
    pid,
    0,
    -1,
    4194560,
    1,
    2,
    3,
    4,
    own - 1,
    1,
    reaped,
    0,
    20,
    0,
    7,
    0,
  ];
  writeFileSync(
    join(root, String(pid), 'stat'),
    `${pid} (a) b (c) ${fields.join(' ')} ${started} 9\n`,
  );
}
const children = (pid: number, list: string) =>
  writeFileSync(join(root, String(pid), 'task', String(pid), 'children'), list);
const end = (pid: number) => rmSync(join(root, String(pid)), { recursive: true });

describe('CPU time of the process tree', () => {
  it('is that of all descendants, and counts what ended children used just once', () => {
    putProcess(10, { own: 100 });
    putProcess(11, { own: 50, ppid: 10 });
    putProcess(12, { own: 7, ppid: 11 });
    putProcess(99, { own: 5000 });
    children(10, '11 ');
    children(11, '12 ');
    const read = createTreeCpu({ procRoot: root, pid: 10 });
    expect(read(0)).toBe(1.57);
    putProcess(11, { own: 80, ppid: 10 });
    expect(read(100)).toBe(1.87);
    // It used ten ticks more before it ended; its parent was told of all ninety.
    end(11);
    putProcess(10, { own: 100, reaped: 90 });
    putProcess(12, { own: 7, ppid: 1 });
    expect(read(200)).toBe(1.97);
    // The orphan goes on counting.
    putProcess(12, { own: 17, ppid: 1 });
    expect(read(300)).toBe(2.07);
    // A tool came and went unseen.
    putProcess(10, { own: 100, reaped: 93 });
    expect(read(400)).toBe(2.1);
  });

  it('does not count twice what the parent is told of only later', () => {
    putProcess(10, { own: 100 });
    putProcess(11, { own: 50, ppid: 10 });
    children(10, '11');
    const read = createTreeCpu({ procRoot: root, pid: 10 });
    expect(read(0)).toBe(1.5);
    end(11);
    expect(read(100)).toBe(1.5);
    putProcess(10, { own: 101, reaped: 55 });
    expect(read(200)).toBe(1.56);
  });

  it('takes a number that is used again for another process', () => {
    putProcess(10, { own: 100 });
    putProcess(11, { own: 50, ppid: 10 });
    children(10, '11');
    const read = createTreeCpu({ procRoot: root, pid: 10 });
    read(0);
    putProcess(11, { own: 4000, ppid: 1, started: 77 });
    children(10, '');
    putProcess(10, { own: 100, reaped: 50 });
    expect(read(2_000)).toBe(1.5);
  });

  it('finds children without the kernel’s help, at most every five seconds', () => {
    putProcess(10, { own: 100 });
    const read = createTreeCpu({ procRoot: root, pid: 10 });
    read(0);
    putProcess(11, { own: 50, ppid: 10 });
    putProcess(12, { own: 3, ppid: 11 });
    expect(read(1_500)).toBe(1);
    expect(read(5_100)).toBe(1.53);
  });

  it('is unknown where the process is not', () => {
    const read = createTreeCpu({ procRoot: root, pid: 10 });
    expect(read(0)).toBeNull();
    putProcess(10, { own: 100 });
    expect(read(100)).toBe(1);
    end(10);
    expect(read(200)).toBeNull();
  });

  it.each(['', 'x', '10 (a) S 1 2', '10 (a', '10 (a) S -1 x'])('refuses %j', (text) => {
    expect(parseStat(text)).toBeNull();
  });

  it('never falls over real children that work and end', async () => {
    const read = createTreeCpu({ procRoot: '/proc', pid: process.pid });
    const before = read(0) ?? Number.NaN;
    const work = 'const t=process.cpuUsage;while(t().user<120000);';
    const child = spawn(process.execPath, ['-e', work], { stdio: 'ignore' });
    await once(child, 'exit');
    const after = read(2_000) ?? Number.NaN;
    expect(after - before).toBeGreaterThanOrEqual(0.1);
    expect(read(4_000)).toBeGreaterThanOrEqual(after);
  });
});
