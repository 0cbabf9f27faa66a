import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelTarget } from '../protocol/index.ts';

export type CpuSource = {
  /** The /proc to read (config `hardware.proc_root`). */
  procRoot: string;
  /** Node's name of the architecture, for machines whose cpuinfo says nothing. */
  arch?: string;
};

/**
 * The graph that suits these cores. A feature counts only if every core lists it: on a big.LITTLE
 * board the work may land anywhere. When in doubt, the form that is right everywhere of that family.
 */
export function detectTarget({ procRoot, arch = process.arch }: CpuSource): ModelTarget {
  const { arm, x86 } = coresOf(procRoot);
  if (arm.length > 0) {
    return arm.every((features) => features.has('asimddp')) ? 'dotprod' : 'nodotprod';
  }
  if (x86.length > 0) {
    const vnni = (flags: Set<string>) => flags.has('avx512_vnni') || flags.has('avx_vnni');
    return x86.every(vnni) ? 'dotprod' : 'avx2';
  }
  return arch === 'x64' || arch === 'ia32' ? 'avx2' : 'nodotprod';
}

/** What 8-bit kernels are chosen by, as the kernel names it. */
const EIGHT_BIT_FEATURES = 'asimd asimddp i8mm sve avx2 avx512_vnni avx_vnni amx_int8'.split(' ');

/** The instructions for 8-bit work that every core has; null where no cpuinfo tells. */
export function cpuFeatures({ procRoot }: Pick<CpuSource, 'procRoot'>): string[] | null {
  const { arm, x86 } = coresOf(procRoot);
  const cores = [...arm, ...x86];
  if (cores.length === 0) return null;
  return EIGHT_BIT_FEATURES.filter((name) => cores.every((features) => features.has(name)));
}

/** What each core lists; both empty where no cpuinfo tells. */
function coresOf(procRoot: string): { arm: Set<string>[]; x86: Set<string>[] } {
  let text = '';
  try {
    text = readFileSync(join(procRoot, 'cpuinfo'), 'utf8');
  } catch {
    // No cpuinfo: the architecture has to do.
  }
  const list = (line: RegExp) => [...text.matchAll(line)].map((match) => words(match[1]));
  // arm64 prints "Features", x86 prints "flags".
  return { arm: list(/^Features\s*:(.*)$/gm), x86: list(/^flags\s*:(.*)$/gm) };
}

function words(text = ''): Set<string> {
  return new Set(text.trim().split(/\s+/));
}
