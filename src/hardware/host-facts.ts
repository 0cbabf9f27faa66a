import { statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus, loadavg } from 'node:os';
import type { Systeminformation } from 'systeminformation';

/** The machine around the daemon; what could not be read is null. */
export type HostFacts = {
  /** Share of all cores that was busy since the last call, 0 to 100; null on the first call. */
  cpuPct: number | null;
  memUsedBytes: number | null;
  memTotalBytes: number | null;
  /** Free for an unprivileged process, on the disk that holds `diskPath`. */
  diskFreeBytes: number | null;
  /** Mean number of runnable processes over a minute. */
  load1: number | null;
};

type MemoryModule = { mem(): Promise<Systeminformation.MemData> };

/**
 * systeminformation's memory part alone: the whole package keeps 10 to 11 MB resident, this 2.7 MB.
 * Its disk and CPU figures are not used, because they start `df` and `cat` for each reading.
 */
const memoryModule = (): MemoryModule =>
  createRequire(import.meta.url)('systeminformation/lib/memory.js') as MemoryModule;

type CpuTicks = { busy: number; all: number };

/** Milliseconds of all cores since boot; undefined where the sandbox hides them (ProcSubset=pid). */
function cpuTicks(): CpuTicks | undefined {
  const cores = cpus();
  if (cores.length === 0) return undefined;
  let busy = 0;
  let all = 0;
  for (const { times } of cores) {
    const working = times.user + times.nice + times.sys + times.irq;
    busy += working;
    all += working + times.idle;
  }
  return { busy, all };
}

/** Busy share between two counts in per cent; null when no time passed. */
export function busyPercent(
  before: CpuTicks | undefined,
  after: CpuTicks | undefined,
): number | null {
  if (before === undefined || after === undefined || after.all <= before.all) return null;
  const share = (after.busy - before.busy) / (after.all - before.all);
  return Math.round(Math.min(1, Math.max(0, share)) * 1000) / 10;
}

async function orNull<Value>(work: () => Promise<Value>): Promise<Value | null> {
  try {
    return await work();
  } catch {
    return null;
  }
}

/** Reads host facts for telemetry: about a millisecond of CPU, no process started. */
export function createHostFacts(options: { diskPath: string }): () => Promise<HostFacts> {
  let before: CpuTicks | undefined;
  return async () => {
    const now = cpuTicks();
    const cpuPct = busyPercent(before, now);
    before = now;
    const [memory, disk] = await Promise.all([
      orNull(async () => memoryModule().mem()),
      orNull(async () => statfs(options.diskPath)),
    ]);
    return {
      cpuPct,
      memUsedBytes: memory === null ? null : memory.total - memory.available,
      memTotalBytes: memory?.total ?? null,
      diskFreeBytes: disk === null ? null : disk.bavail * disk.bsize,
      load1: loadavg()[0] ?? null,
    };
  };
}
