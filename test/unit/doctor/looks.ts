import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../../src/config/index.ts';
import { createSystemClock } from '../../../src/core/index.ts';
import type { Outcome, Outcomes, ProbeName } from '../../../src/doctor/facts.ts';
import { PROBES } from '../../../src/doctor/probes/index.ts';
import { profileDefaultsFor } from '../../../src/hardware/index.ts';
import { materialise } from '../../fixtures/sysfs/materialise.ts';

/** Processor lines of boards, in the kernel's form: Cortex-A76 and A72. */
const CPUINFO = {
  dotprod: 'Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp asimddp\n',
  nodotprod: 'Features\t: fp asimd evtstrm crc32 cpuid\n',
};

/** A board's tree with a processor, and the settings that make a command look at it. */
export function layOutBoard(
  board: string,
  folder: string,
  cpu: keyof typeof CPUINFO = 'dotprod',
): { sysfsRoot: string; procRoot: string; settings: string[] } {
  const roots = materialise(board, folder);
  mkdirSync(roots.procRoot, { recursive: true });
  writeFileSync(join(roots.procRoot, 'cpuinfo'), CPUINFO[cpu].repeat(4));
  // In vcgencmd's place: prints what the fixture says it prints.
  const tool = join(folder, 'vcgencmd-tool');
  writeFileSync(tool, `#!/bin/sh\nexec cat '${folder}/vcgencmd/'"$1"\n`);
  chmodSync(tool, 0o755);
  const settings = [
    `hardware.sysfs_root=${roots.sysfsRoot}`,
    `hardware.proc_root=${roots.procRoot}`,
    `hardware.vcgencmd=${tool}`,
    `node.state_folder=${join(folder, 'state')}`,
    'node.id=board',
  ];
  return { ...roots, settings };
}

/** Runs the real probes in this process, without the deadlines of examine.ts. */
export async function look(
  names: readonly ProbeName[],
  options: { set: string[]; homeFolder: string; file?: string },
): Promise<Outcomes> {
  const config = loadConfig({
    set: options.set,
    file: options.file,
    env: {},
    homeFolder: options.homeFolder,
    searchFiles: [],
    profileDefaults: profileDefaultsFor,
  });
  const context = { config, clock: createSystemClock(), homeFolder: options.homeFolder };
  const outcomes: Record<string, Outcome<unknown>> = {};
  for (const name of names) outcomes[name] = { ok: true, value: await PROBES[name](context) };
  return outcomes;
}
