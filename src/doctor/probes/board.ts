import {
  availableMemoryBytes,
  chooseProfile,
  lookAtClockBounds,
  readThermalZones,
  throttlingSinceBoot,
} from '../../hardware/index.ts';
import { cpuFeatures, detectTarget } from '../../model/index.ts';
import type { BoardFacts } from '../facts.ts';
import type { ProbeContext } from './index.ts';
import { readSensors } from './sensors.ts';

export async function lookAtBoard({ config, clock }: ProbeContext): Promise<BoardFacts> {
  const { hardware } = config.values;
  const { sysfs_root: sysfsRoot, proc_root: procRoot } = hardware;
  const { board, match } = chooseProfile(hardware);
  const profile = match?.profile ?? null;
  const { sample, facts } = await readSensors({ hardware, profile, clock });
  return {
    board,
    profile: match,
    sensors: facts,
    sample,
    zones: readThermalZones(sysfsRoot, profile?.thermal.zones),
    sinceBoot: throttlingSinceBoot(sysfsRoot),
    clocks: lookAtClockBounds(sysfsRoot),
    availableBytes: availableMemoryBytes(procRoot),
    cpu: { features: cpuFeatures({ procRoot }), target: detectTarget({ procRoot }) },
  };
}
