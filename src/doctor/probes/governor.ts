import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../config/index.ts';
import { isErrno } from '../../core/index.ts';
import { boardOf, GOVERNOR_STATE_FILE, modelOf, settingsOf } from '../../daemon/index.ts';
import { createLaw, type Law, packState, unpackState } from '../../governor/index.ts';
import { chooseProfile, type DeviceProfile } from '../../hardware/index.ts';
import type { ResolvedModel } from '../../model/index.ts';
import type { GovernorFacts } from '../facts.ts';
import type { ProbeContext } from './index.ts';
import { locateConfigured } from './model.ts';
import { readSensors } from './sensors.ts';

/** What an earlier life of the daemon learnt. */
export function readSaved(path: string): GovernorFacts['saved'] {
  try {
    return unpackState(JSON.parse(readFileSync(path, 'utf8'))) ?? 'damaged';
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    if (error instanceof SyntaxError) return 'damaged';
    throw error;
  }
}

/** The daemon's own law for this model on this board. */
export function lawFor(options: {
  values: Config;
  profile: DeviceProfile | null;
  located: ResolvedModel;
  saved: GovernorFacts['saved'];
  nowMs: number;
}): Law {
  const { values, profile, located, saved, nowMs } = options;
  const model = modelOf(located.manifest, located.folder);
  return createLaw({
    settings: settingsOf(values),
    board: boardOf(profile, model),
    model,
    nowMs,
    ...(saved === null || saved === 'damaged' ? {} : { state: packState(saved) }),
  });
}

export const savedStatePath = (values: Config): string =>
  join(values.node.state_folder, GOVERNOR_STATE_FILE);

/** Asks the law what it would do here and now; no actuator is opened. */
export async function lookAtGovernor({ config, clock }: ProbeContext): Promise<GovernorFacts> {
  const { values } = config;
  const { match } = chooseProfile(values.hardware);
  const profile = match?.profile ?? null;
  const savedPath = savedStatePath(values);
  const saved = readSaved(savedPath);
  const { sample } = await readSensors({ hardware: values.hardware, profile, clock });
  const facts = {
    saved,
    savedPath,
    rails: Object.keys(sample.railsW),
    rail: values.governor.rail || (profile?.power.default_rail ?? ''),
  };
  const located = await locateConfigured(values).catch(() => null);
  if (located?.converted !== true) {
    return { ...facts, decision: { reason: 'it depends on the model, which is not ready' } };
  }
  const nowMs = clock.monotonicMs();
  const law = lawFor({ values, profile, located, saved, nowMs });
  law.observe(sample);
  return { ...facts, decision: law.decide(nowMs) };
}
