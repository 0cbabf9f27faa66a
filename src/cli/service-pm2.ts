import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CliError, EXIT, homeFolder } from './common.ts';
import { commandStep, runCommand } from './service-steps.ts';
import type { ManagerStatus, Plan } from './service-systemd.ts';
import { PACKAGE_FOLDER } from './service-units.ts';

const APP = 'twowatt';
const ECOSYSTEM = join(PACKAGE_FOLDER, 'ecosystem.config.cjs');

/** pm2 as the shell would find it; it is never installed by us (AGPL, and a choice of the user's). */
function findPm2(): string {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'pm2');
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  throw new CliError(EXIT.unreachable, 'pm2 is not on PATH; install it with `npm install -g pm2`');
}

export function planPm2Install(): Plan {
  const pm2 = findPm2();
  return {
    steps: [commandStep(pm2, 'startOrReload', ECOSYSTEM), commandStep(pm2, 'save')],
    notes: [
      'After a reboot pm2 itself must come back: `pm2 startup` prints the command for it, which needs root.',
    ],
  };
}

export async function planPm2Uninstall(): Promise<Plan> {
  const pm2 = findPm2();
  if ((await appOf(pm2)) === undefined) return { steps: [], notes: ['pm2 does not know twowatt.'] };
  return {
    // Without --force, saving an empty list is taken for a slip.
    steps: [commandStep(pm2, 'delete', APP), commandStep(pm2, 'save', '--force')],
    notes: ['Kept: settings and state of twowatt, and pm2 itself.'],
  };
}

type App = { name: string; pid: number; pm2_env: { status: string; restart_time: number } };

/** Asking pm2 starts its daemon, which somebody who asks for a status did not ask for. */
function isPm2Up(): boolean {
  const file = join(process.env['PM2_HOME'] ?? join(homeFolder(), '.pm2'), 'pm2.pid');
  try {
    return existsSync(`/proc/${readFileSync(file, 'utf8').trim() || 'none'}`);
  } catch {
    return false;
  }
}

async function appOf(pm2: string): Promise<App | undefined> {
  if (!isPm2Up()) return undefined;
  const { stdout } = await runCommand(pm2, ['jlist', '--silent']);
  // Notices may stand before the list.
  const apps = JSON.parse(/^\[.*\]$/m.exec(stdout)?.[0] ?? '[]') as App[];
  return apps.find(({ name }) => name === APP);
}

export async function pm2Status(): Promise<ManagerStatus> {
  const app = await appOf(findPm2());
  return {
    manager: 'pm2',
    installed: app !== undefined,
    // Whether pm2 itself comes back after a reboot is between it and the machine's own manager.
    enabled: app !== undefined,
    state: app?.pm2_env.status ?? 'unknown to pm2',
    running: app?.pm2_env.status === 'online',
    says: null,
    pid: app?.pid ?? null,
    restarts: app?.pm2_env.restart_time ?? null,
  };
}
