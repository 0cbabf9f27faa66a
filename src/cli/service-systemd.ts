import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CliError, EXIT } from './common.ts';
import { commandStep, runCommand, type Step } from './service-steps.ts';
import {
  type ServiceFile,
  serviceFiles,
  standingOf,
  thisProgram,
  writeServiceFile,
} from './service-units.ts';

/** sd_booted(3): this folder is there when systemd runs the machine. */
const BOOTED_MARK = '/run/systemd/system';
const PACKAGED_UNITS = ['usr/lib/systemd/system', 'lib/systemd/system'];
const UNIT = 'twowatt.service';
/** In the order of their starts. */
const UNITS = ['twowatt.target', UNIT, 'twowatt-cpufreq.service', 'twowatt-fleet.service'];

export type SystemdOptions = { root?: string; dryRun?: boolean; force?: boolean };
export type Plan = { steps: Step[]; notes: string[] };

export const isBooted = (): boolean => existsSync(BOOTED_MARK);

function needRights(options: SystemdOptions): void {
  if (options.root !== undefined || options.dryRun === true) return;
  if (!isBooted()) {
    throw new CliError(EXIT.unreachable, 'systemd does not run this machine; try --manager pm2');
  }
  if (process.getuid?.() !== 0) {
    throw new CliError(EXIT.failed, 'needs root: units and users belong to it; try sudo');
  }
}

/** 252 of `systemd 252 (252.39-1~deb12u2)`; null where there is none to ask. */
async function systemdVersion(): Promise<number | null> {
  try {
    const { stdout } = await runCommand('systemctl', ['--version']);
    return Number(/^systemd (\d+)/.exec(stdout)?.[1]) || null;
  } catch (error) {
    if (error instanceof CliError) return null;
    throw error;
  }
}

function standing(file: ServiceFile, root: string) {
  const path = join(root, file.path);
  return { path, content: file.content, state: standingOf(path, file.content) };
}

/** Refuses, naming every file, what somebody else wrote or changed; `--force` keeps a copy of each. */
function refuseOthers(found: readonly ReturnType<typeof standing>[], verb: string): void {
  const others = found.filter(({ state }) => state === 'edited' || state === 'foreign');
  if (others.length === 0) return;
  const names = others
    .map(({ path, state }) =>
      state === 'edited' ? `${path} (edited since)` : `${path} (not written by twowatt)`,
    )
    .join('\n  ');
  throw new CliError(
    EXIT.failed,
    `will not ${verb} files that somebody has written or edited:\n  ${names}\nOwn changes belong into \`systemctl edit twowatt\`; --force goes on and keeps each file as FILE.before-twowatt`,
  );
}

const keepCopy = (path: string) => copyFileSync(path, `${path}.before-twowatt`);

export async function planInstall(options: SystemdOptions): Promise<Plan> {
  needRights(options);
  const root = options.root ?? '/';
  const program = thisProgram();
  if (/^(\/var)?\/tmp\//.test(program.script)) {
    const why = `${program.script} lies in a temporary folder, which services do not see`;
    if (options.root === undefined && options.dryRun !== true) throw new CliError(EXIT.failed, why);
  }
  const packaged = PACKAGED_UNITS.some((folder) => existsSync(join(root, folder, UNIT)));
  const files = packaged ? [] : serviceFiles(program, await systemdVersion());
  const found = files.map((file) => standing(file, root));
  if (options.force !== true) refuseOthers(found, 'overwrite');
  const writes: Step[] = found
    .filter(({ state }) => state !== 'same')
    .map(({ path, content, state }) => ({
      what: `write ${path}${state === 'ours' ? ' (again, for this version)' : ''}`,
      async run() {
        if (state === 'edited' || state === 'foreign') keepCopy(path);
        writeServiceFile(path, content);
      },
    }));
  const notes = packaged ? ['The units of the installed package are used.'] : [];
  if (options.root !== undefined) {
    const at = `--root=${options.root}`;
    return {
      steps: [...writes, commandStep('systemctl', at, 'enable', UNIT)],
      notes: [...notes, `Users and folders are made at the first start of ${options.root}.`],
    };
  }
  return {
    steps: [
      ...writes,
      commandStep('systemd-sysusers', 'twowatt.conf'),
      commandStep('systemd-tmpfiles', '--create', 'twowatt.conf'),
      commandStep('systemctl', 'daemon-reload'),
      commandStep('systemctl', 'enable', UNIT),
      // A service that runs already goes on with the new unit.
      commandStep('systemctl', writes.length > 0 ? 'restart' : 'start', UNIT),
    ],
    notes: [
      ...notes,
      'Settings: /etc/twowatt/config.yaml, then `systemctl reload twowatt`. Log: `journalctl -u twowatt`.',
    ],
  };
}

export async function planUninstall(options: SystemdOptions): Promise<Plan> {
  needRights(options);
  const root = options.root ?? '/';
  const files = serviceFiles(thisProgram(), Infinity).map((file) => standing(file, root));
  const there = files.filter(({ state }) => state !== 'absent');
  if (there.length === 0) return { steps: [], notes: ['Nothing is installed here.'] };
  if (options.force !== true) refuseOthers(there, 'remove');
  const units = UNITS.filter((unit) => there.some(({ path }) => path.endsWith(`/${unit}`)));
  const removals: Step[] = there.map(({ path, state }) => ({
    what: `remove ${path}`,
    async run() {
      if (state === 'edited' || state === 'foreign') keepCopy(path);
      rmSync(path, { force: true });
    },
  }));
  const notes = [
    'Kept: /etc/twowatt, /var/lib/twowatt and the users twowatt and twowatt-fleet, whose files those are.',
  ];
  if (options.root !== undefined) {
    return {
      steps: [commandStep('systemctl', `--root=${root}`, 'disable', ...units), ...removals],
      notes,
    };
  }
  return {
    steps: [
      commandStep('systemctl', 'disable', '--now', ...units),
      ...removals,
      commandStep('systemctl', 'daemon-reload'),
    ],
    notes,
  };
}

export type ManagerStatus = {
  manager: 'systemd' | 'pm2';
  installed: boolean;
  enabled: boolean;
  /** As the manager calls it: `active`, `failed`, `online`, … */
  state: string;
  /** Runs, and has said that it is ready. */
  running: boolean;
  /** What the daemon said of itself last; null where the manager does not keep it. */
  says: string | null;
  pid: number | null;
  restarts: number | null;
};

const PROPERTIES =
  'LoadState,UnitFileState,ActiveState,SubState,Result,StatusText,MainPID,NRestarts';

export async function systemdStatus(): Promise<ManagerStatus> {
  if (!isBooted()) throw new CliError(EXIT.unreachable, 'systemd does not run this machine');
  const { stdout } = await runCommand('systemctl', ['show', UNIT, `-p${PROPERTIES}`]);
  const fields = new Map(
    stdout.split('\n').map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)] as const;
    }),
  );
  const field = (name: string) => fields.get(name) ?? '';
  const failed = field('ActiveState') === 'failed';
  return {
    manager: 'systemd',
    installed: field('LoadState') === 'loaded',
    enabled: field('UnitFileState') === 'enabled',
    state: `${field('ActiveState')} (${failed ? field('Result') : field('SubState')})`,
    running: field('ActiveState') === 'active',
    says: field('StatusText') || null,
    pid: Number(field('MainPID')) || null,
    restarts: Number(field('NRestarts')) || 0,
  };
}
