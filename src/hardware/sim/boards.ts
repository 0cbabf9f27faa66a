import { TwowattError } from '../../core/index.ts';
import type { DeviceProfile } from '../profile-schema.ts';
import { loadProfiles } from '../profile.ts';
import { type PlantParameters, plantParametersFrom } from './parameters.ts';

/** Names of the boards that can be simulated: those of the device profiles. */
export const boardNames = (): string[] => loadProfiles().map(({ name }) => name);

/** The device profile of a board; throws `invalid_request` that lists the names there are. */
export function profileNamed(name: string): DeviceProfile {
  const profiles = loadProfiles();
  const profile = profiles.find((candidate) => candidate.name === name);
  if (profile !== undefined) return profile;
  throw new TwowattError(
    'invalid_request',
    `there is no board ${name} to simulate; expected one of ${profiles.map((known) => known.name).join(', ')}`,
    { param: 'board' },
  );
}

/** The simulated board of a device profile; throws as `profileNamed` does. */
export const boardParameters = (name: string): PlantParameters =>
  plantParametersFrom(profileNamed(name));
