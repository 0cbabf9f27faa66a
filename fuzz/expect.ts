import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TwowattError } from '../src/core/index.ts';

/**
 * What every target expects of a reader: it answers or throws a coded error that is not `internal`, and
 * it does so within a bounded time. Bounds of memory are the fuzzer's own (`fuzz/run.ts`).
 */
export type Target = {
  /** The name of its corpus and of its folder of regressions. */
  name: string;
  /** Honest and dishonest inputs to begin with. */
  seeds(): (string | Uint8Array)[];
  fuzz(data: Buffer): void | Promise<void>;
};

/** Slowest that one input may be: a fifth of it is what the slowest board's daemon could bear. */
const SLOWEST_MS = 1000;
const TRIES = 3;

/**
 * Runs `work`; of a slow one it tries again twice, and counts the processor's time rather than the
 * clock's, so that a busy machine is not taken for a slow reader.
 */
export function inTime<T>(work: () => T): T {
  const began = performance.now();
  const result = work();
  if (performance.now() - began <= SLOWEST_MS) return result;
  for (let tries = 1; tries < TRIES; tries += 1) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    if ((user + system) / 1000 <= SLOWEST_MS) return result;
  }
  throw new Error(`slower than ${SLOWEST_MS} ms, ${TRIES} times in a row`);
}

/** The result of `work`; undefined when it threw a coded error. What else it throws is a finding. */
export function codedOnly<T>(work: () => T): T | undefined {
  try {
    return inTime(work);
  } catch (error) {
    if (error instanceof TwowattError && error.code !== 'internal') return undefined;
    throw error;
  }
}

export function ensure(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`broken promise: ${what}`);
}

/** Cuts one input into several: each piece is announced by two bytes, the last one is the rest. */
export function pieces(data: Buffer, count: number): Buffer[] {
  const cut: Buffer[] = [];
  let at = 0;
  for (let index = 1; index < count; index += 1) {
    const left = data.length - at;
    const length = left >= 2 ? data.readUInt16LE(at) % (left - 1) : 0;
    at = Math.min(data.length, at + 2);
    cut.push(data.subarray(at, at + length));
    at += length;
  }
  cut.push(data.subarray(at));
  return cut;
}

/** The input that `pieces` cuts into these. */
export function joined(...parts: (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part, index) => {
      const bytes = Buffer.from(part);
      if (index === parts.length - 1) return [bytes];
      const head = Buffer.alloc(2);
      head.writeUInt16LE(bytes.length);
      return [head, bytes];
    }),
  );
}

let scratch: string | undefined;

/** A folder in memory where there is one; `fuzz/run.ts` names and removes it, else the process does. */
export function scratchFolder(): string {
  if (scratch !== undefined) return scratch;
  const given = process.env['FUZZ_SCRATCH'];
  const made = given ?? mkdtempSync(join(tmpdir(), 'twowatt-fuzz-'));
  if (given === undefined) {
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  }
  scratch = made;
  return made;
}

/** Writes a file of this name into the scratch folder. */
export function scratchFile(name: string, content: string | Uint8Array): string {
  const path = join(scratchFolder(), name);
  writeFileSync(path, content);
  return path;
}
