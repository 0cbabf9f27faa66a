import { join } from 'node:path';
import { attributeOr, listFolder, readAttribute } from './tree.ts';

/** The kernel counts CPU time of processes in hundredths of a second for user space (USER_HZ). */
const TICKS_PER_S = 100;
/** New children are looked for this often; what they used before is counted when they are found. */
const CHILDREN_PERIOD_MS = 1_000;
/** Kernels without `children` files need a look at every process, which costs milliseconds. */
const SCAN_PERIOD_MS = 5_000;
/** The daemon, its engine and a few tools; a fork bomb is not ours to count. */
const MOST_PROCESSES = 64;

type Stat = {
  ppid: number;
  /** Own CPU time, ticks. */
  own: number;
  /** CPU time of children that have ended and were waited for, ticks. */
  reaped: number;
  /** Ticks after boot; tells a process from a later one of the same number. */
  started: number;
};

type Known = Stat & { pid: number };

/** Fields of `/proc/PID/stat` (proc(5)): 4 ppid, 14 utime, 15 stime, 16 cutime, 17 cstime, 22 starttime. */
export function parseStat(text: string): Stat | null {
  // The name in parentheses may hold blanks and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [ppid, utime, stime, cutime, cstime, started] = [1, 11, 12, 13, 14, 19].map((place) => {
    const field = fields[place] ?? '';
    return /^\d{1,15}$/.test(field) ? Number(field) : Number.NaN;
  }) as [number, number, number, number, number, number];
  const stat = { ppid, own: utime + stime, reaped: cutime + cstime, started };
  return Object.values(stat).some(Number.isNaN) ? null : stat;
}

/**
 * CPU time of a process and all its descendants, in seconds, that never falls: when a child ends,
 * what it used arrives in its parent's count of children, and only what was not yet counted is added.
 * Children are those of each process's main thread, which is what starts processes in Node.
 */
export function createTreeCpu(options: { procRoot: string; pid: number }) {
  const { procRoot, pid } = options;
  const known = new Map<number, Known>();
  let ticks = 0;
  let lookedAtMs: number | undefined;
  let scannedAtMs: number | undefined;

  function readStat(of: number): Stat | null {
    const read = readAttribute(join(procRoot, String(of), 'stat'));
    return read.ok ? parseStat(read.text) : null;
  }

  function adopt(child: number): void {
    if (known.has(child) || known.size >= MOST_PROCESSES) return;
    const stat = readStat(child);
    if (stat === null) return;
    ticks += stat.own + stat.reaped;
    known.set(child, { ...stat, pid: child });
  }

  function scan(): void {
    const parents = new Map<number, number[]>();
    for (const name of listFolder(procRoot)) {
      const of = /^\d{1,10}$/.test(name) ? Number(name) : null;
      const stat = of === null || known.has(of) ? null : readStat(of);
      if (of === null || stat === null) continue;
      parents.set(stat.ppid, [...(parents.get(stat.ppid) ?? []), of]);
    }
    // A Map is walked in the order of insertion, newly adopted ones included: whole generations.
    for (const parent of known.keys()) for (const child of parents.get(parent) ?? []) adopt(child);
  }

  function findChildren(atMs: number): void {
    let told = false;
    for (const parent of known.keys()) {
      const file = join(procRoot, String(parent), 'task', String(parent), 'children');
      const list = attributeOr(file, null);
      if (list === null) continue;
      told = true;
      for (const word of list.split(' ')) if (/^\d{1,10}$/.test(word)) adopt(Number(word));
    }
    if (told || (scannedAtMs !== undefined && atMs - scannedAtMs < SCAN_PERIOD_MS)) return;
    scannedAtMs = atMs;
    scan();
  }

  /** Reads the known processes again: parents before children, as the Map keeps them. */
  function count(): void {
    const ended: Known[] = [];
    const arrived = new Map<number, number>();
    for (const before of known.values()) {
      const now = readStat(before.pid);
      if (now === null || now.started !== before.started) {
        known.delete(before.pid);
        ended.push(before);
        continue;
      }
      ticks += Math.max(0, now.own - before.own);
      arrived.set(before.pid, Math.max(0, now.reaped - before.reaped));
      known.set(before.pid, { ...now, pid: before.pid });
    }
    for (const gone of ended) {
      const parent = arrived.get(gone.ppid);
      // What its parent has not been told of yet will come with a later count, and must not count then.
      const counted = gone.own + gone.reaped;
      if (parent !== undefined) arrived.set(gone.ppid, parent - counted);
    }
    for (const [parent, delta] of arrived) {
      const debt = (debts.get(parent) ?? 0) + delta;
      ticks += Math.max(0, debt);
      if (debt < 0) debts.set(parent, debt);
      else debts.delete(parent);
    }
  }
  /** Ticks, below zero, of ended children that were counted before their parent waited for them. */
  const debts = new Map<number, number>();

  /** Seconds so far; null where the process cannot be found. */
  return function treeCpuS(atMs: number): number | null {
    if (known.size === 0 || !known.has(pid)) adopt(pid);
    else count();
    if (!known.has(pid)) return null;
    if (lookedAtMs === undefined || atMs - lookedAtMs >= CHILDREN_PERIOD_MS || atMs < lookedAtMs) {
      lookedAtMs = atMs;
      findChildren(atMs);
    }
    return ticks / TICKS_PER_S;
  };
}
