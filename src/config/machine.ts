import { createHash } from 'node:crypto';
import { accessSync, constants, readFileSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';

const SYSTEM_STATE_FOLDER = '/var/lib/twowatt';

/**
 * The default node id: the host name and four hex digits of the machine id, because cloned SD cards
 * are all called `raspberrypi`. Characters that a topic level may not hold become `-`.
 */
export function defaultNodeId(hostName: string, machineId: string): string {
  const name = hostName
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '')
    .slice(0, 120);
  return `${name === '' ? 'twowatt' : name}-${machineId.slice(0, 4).toLowerCase()}`;
}

/** The machine id, or a number made from the first network address where there is none (some images ship it empty). */
function readMachineId(): string {
  try {
    const id = readFileSync('/etc/machine-id', 'utf8').trim();
    if (/^[0-9a-f]{4}/i.test(id)) return id;
  } catch {
    // Falls through to the network address.
  }
  const address = Object.values(networkInterfaces())
    .flat()
    .find((face) => face !== undefined && !face.internal)?.mac;
  return createHash('sha256')
    .update(address ?? hostname())
    .digest('hex');
}

export function thisMachinesNodeId(): string {
  return defaultNodeId(hostname(), readMachineId());
}

function writable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Where state is kept unless `node.state_folder` says so: see its description in the schema. */
export function defaultStateFolder(
  env: Readonly<Record<string, string | undefined>>,
  homeFolder: string,
  systemFolder = SYSTEM_STATE_FOLDER,
): string {
  // systemd joins several state folders by colons; ours is the first.
  const fromSystemd = env['STATE_DIRECTORY']?.split(':')[0];
  if (fromSystemd !== undefined && fromSystemd !== '') return fromSystemd;
  return writable(systemFolder) ? systemFolder : join(homeFolder, '.local', 'state', 'twowatt');
}
