import { TwowattError } from '../../core/index.ts';
import { loadProfiles } from '../profile.ts';
import { type PlantParameters, plantParametersFrom } from './parameters.ts';

/** The simulated board of a device profile; throws `invalid_request` that lists the names there are. */
export function boardParameters(name: string): PlantParameters {
  const profiles = loadProfiles();
  const profile = profiles.find((candidate) => candidate.name === name);
  if (profile !== undefined) return plantParametersFrom(profile);
  throw new TwowattError(
    'invalid_request',
    `there is no board ${name} to simulate; expected one of ${profiles.map((known) => known.name).join(', ')}`,
    { param: 'board' },
  );
}
