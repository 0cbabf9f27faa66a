import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceFacts } from '../facts.ts';
import { askCommand } from './command.ts';
import type { ProbeContext } from './index.ts';

export const UNIT = 'twowatt.service';
/** sd_booted(3): this folder is there when systemd runs the machine. */
const BOOTED_MARK = '/run/systemd/system';
const COMMAND_MS = 5_000;
const PROPERTIES = 'LoadState,ActiveState,SubState,Result,NRestarts,MainPID';

async function askSystemd(): Promise<Pick<ServiceFacts, 'systemd' | 'problem'>> {
  if (!existsSync(BOOTED_MARK)) return { systemd: null, problem: null };
  const answer = await askCommand('systemctl', ['show', UNIT, `-p${PROPERTIES}`], COMMAND_MS);
  if (!answer.ok) return { systemd: null, problem: answer.reason };
  const fields = new Map(
    answer.text.split('\n').map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)] as const;
    }),
  );
  const field = (name: string) => fields.get(name) ?? '';
  return {
    systemd: {
      unit: UNIT,
      load: field('LoadState'),
      active: field('ActiveState'),
      sub: field('SubState'),
      result: field('Result'),
      restarts: Number(field('NRestarts')) || 0,
      pid: Number(field('MainPID')) || 0,
    },
    problem: null,
  };
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

/** pm2 is not asked: its own command would start its daemon. It leaves a file per process. */
function lookAtPm2(homeFolder: string): ServiceFacts['pm2'] {
  const folder = join(process.env['PM2_HOME'] ?? join(homeFolder, '.pm2'), 'pids');
  try {
    const name = readdirSync(folder).find((file) => /^twowatt-\d+\.pid$/.test(file));
    if (name === undefined) return null;
    const pid = Number(readFileSync(join(folder, name), 'utf8').trim());
    return Number.isSafeInteger(pid) && pid > 0 ? { pid, alive: isAlive(pid) } : null;
  } catch {
    return null;
  }
}

export async function lookAtService({ homeFolder }: ProbeContext): Promise<ServiceFacts> {
  return { ...(await askSystemd()), pm2: lookAtPm2(homeFolder) };
}
