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
  let text = '';
  try {
    text = readFileSync(join(procRoot, 'cpuinfo'), 'utf8');
  } catch {
    // No cpuinfo: decided by the architecture below.
  }
  // arm64 prints "Features", x86 prints "flags".
  const arm = [...text.matchAll(/^Features\s*:(.*)$/gm)].map((match) => words(match[1]));
  if (arm.length > 0) {
    return arm.every((features) => features.has('asimddp')) ? 'dotprod' : 'nodotprod';
  }
  const x86 = [...text.matchAll(/^flags\s*:(.*)$/gm)].map((match) => words(match[1]));
  if (x86.length > 0) {
    const vnni = (flags: Set<string>) => flags.has('avx512_vnni') || flags.has('avx_vnni');
    return x86.every(vnni) ? 'dotprod' : 'avx2';
  }
  return arch === 'x64' || arch === 'ia32' ? 'avx2' : 'nodotprod';
}

function words(text = ''): Set<string> {
  return new Set(text.trim().split(/\s+/));
}
