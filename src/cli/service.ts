import { type Command, Option } from 'commander';
import { request } from 'node:http';
import type { Config } from '../config/index.ts';
import { action, CliError, type CommonOptions, EXIT, withCommonOptions } from './common.ts';
import { loadConfigForCli } from './config.ts';
import { planPm2Install, planPm2Uninstall, pm2Status } from './service-pm2.ts';
import { runSteps } from './service-steps.ts';
import {
  isBooted,
  type ManagerStatus,
  planInstall,
  planUninstall,
  systemdStatus,
} from './service-systemd.ts';
import { alignColumns } from './table.ts';

type ServiceOptions = {
  manager?: 'systemd' | 'pm2';
  root?: string;
  dryRun?: boolean;
  force?: boolean;
  json?: boolean;
};

/** How long the daemon's probes are waited for: they answer at once or not at all. */
const PROBE_MS = 3_000;

const managerOf = ({ manager, root }: ServiceOptions): 'systemd' | 'pm2' =>
  manager ?? (isBooted() || root !== undefined ? 'systemd' : 'pm2');

function refuseForPm2({ root, force }: ServiceOptions): void {
  const wrong = root === undefined ? (force === true ? '--force' : undefined) : '--root';
  if (wrong !== undefined) throw new CliError(EXIT.usage, `${wrong} goes with --manager systemd`);
}

async function install(options: ServiceOptions): Promise<void> {
  const isPm2 = managerOf(options) === 'pm2';
  if (isPm2) refuseForPm2(options);
  const { steps, notes } = isPm2 ? planPm2Install() : await planInstall(options);
  await runSteps(steps, notes, options);
}

async function uninstall(options: ServiceOptions): Promise<void> {
  const isPm2 = managerOf(options) === 'pm2';
  if (isPm2) refuseForPm2(options);
  const { steps, notes } = isPm2 ? await planPm2Uninstall() : await planUninstall(options);
  await runSteps(steps, notes, options);
}

/** The status of one probe; null when nobody answers. */
function probe(host: string, port: number, path: string): Promise<number | null> {
  return new Promise((resolve) => {
    const asked = request({ host, port, path, timeout: PROBE_MS }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? null);
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(null));
    asked.end();
  });
}

/** Addresses that mean "every address" are asked on this machine. */
const askableHost = (host: string) =>
  host === '0.0.0.0' || host === '::' || host === '' ? '127.0.0.1' : host;

async function askDaemon({ enabled, host, port }: Config['http']) {
  if (!enabled || port === 0) return null;
  const at = askableHost(host);
  const [healthz, readyz] = await Promise.all(
    ['/healthz', '/readyz'].map((path) => probe(at, port, path)),
  );
  return {
    url: `http://${at.includes(':') ? `[${at}]` : at}:${port}`,
    alive: healthz === 200,
    ready: readyz === 200,
  };
}

function printStatus(status: ManagerStatus, http: Awaited<ReturnType<typeof askDaemon>>): void {
  const answers = http && (http.ready ? 'ready' : http.alive ? 'alive, not ready' : 'no answer');
  const rows = [
    [status.manager, status.installed ? status.state : 'twowatt is not installed'],
    ['at boot', status.enabled ? 'starts' : 'does not start'],
    ['process', status.pid === null ? 'none' : `${status.pid}, restarted ${status.restarts} times`],
    ...(status.says === null ? [] : [['says', status.says]]),
    ['http', http === null ? 'not asked' : `${http.url}: ${answers}`],
  ];
  process.stdout.write(alignColumns(rows));
}

async function showStatus(options: ServiceOptions & CommonOptions): Promise<void> {
  const { http } = loadConfigForCli(options).values;
  const found = managerOf(options) === 'pm2' ? await pm2Status() : await systemdStatus();
  const answers = await askDaemon(http);
  if (options.json === true)
    process.stdout.write(`${JSON.stringify({ ...found, http: answers })}\n`);
  else printStatus(found, answers);
  if (!found.running) process.exitCode = EXIT.failed;
}

const managerOption = () =>
  new Option(
    '--manager <name>',
    'service manager (default: systemd where it runs the machine)',
  ).choices(['systemd', 'pm2']);

export function addServiceCommand(program: Command): void {
  const service = program
    .command('service')
    .description('run twowatt as a service of systemd or pm2');
  for (const [name, about, run] of [
    ['install', 'set it up, start it, and start it at each boot', install],
    ['uninstall', 'stop it and take it out again; settings and state stay', uninstall],
  ] as const) {
    service
      .command(name)
      .description(about)
      .addOption(managerOption())
      .option('--dry-run', 'only print what would be done')
      .option('--force', 'also files that somebody has edited; keeps a copy of each')
      .option('--root <dir>', 'work on the system in this folder and start nothing (systemd)')
      .option('--json', 'print JSON')
      .addHelpText(
        'after',
        `
Examples:
  sudo twowatt service ${name}
  twowatt service ${name} --manager systemd --dry-run
  twowatt service ${name} --manager pm2`,
      )
      .action(action(run));
  }
  withCommonOptions(
    service
      .command('status')
      .description('what the manager says, and what the daemon itself answers; 0 when it runs')
      .addOption(managerOption()),
  ).action(action(showStatus));
}
