import type { ConfigFacts, Outcomes, ServiceFacts, SystemFacts } from '../facts.ts';
import type { Verdict } from '../finding.ts';
import { check, factsOf, fail, note, ok, warn } from './check.ts';
import { shellPath } from './figures.ts';

function judgeConfig({ file, ignored, overlayPath, settings }: ConfigFacts): Verdict {
  const set = settings.filter(({ origin }) => origin !== 'default').length;
  const text = `${file ?? 'no file'}; ${set} of ${settings.length} settings differ from the defaults`;
  if (ignored.length === 0) return ok(text);
  return warn(
    `${text}; ignored: ${ignored.join('; ')}`,
    'Set these values over MQTT again, or remove what was set there.',
    overlayPath === null ? 'twowatt config' : `rm ${shellPath(overlayPath)}`,
  );
}

function judgeSecrets({ secretProblems, settings }: ConfigFacts): Verdict {
  const [first] = secretProblems;
  if (first !== undefined) {
    return fail(
      secretProblems.map(({ reason }) => reason).join('; '),
      'Put the secret into that file, readable by the user of the daemon only.',
      `chmod 600 ${shellPath(first.path)}`,
    );
  }
  const named = settings.filter(({ key, value }) => key.endsWith('_file') && value !== '').length;
  return named === 0 ? null : ok('every file that should hold one does');
}

const numbers = (version: string): number[] => version.split('.').map(Number);

function isOlder(version: string, least: string): boolean {
  const have = numbers(version);
  for (const [index, want] of numbers(least).entries()) {
    const part = have[index] ?? 0;
    if (part !== want) return part < want;
  }
  return false;
}

function judgeNode({ node, nodeWanted, twowatt, platform }: SystemFacts): Verdict {
  const text = `Node ${node}, twowatt ${twowatt}, ${platform}`;
  if (!isOlder(node, nodeWanted)) return ok(text);
  return fail(
    `${text}; needs Node ${nodeWanted} or newer`,
    'Install Node 24 (LTS).',
    'node --version',
  );
}

/** onnxruntime-node's binaries (its README; tried). */
const LEAST_GLIBC = '2.28';

function judgeLibrary({ glibc }: SystemFacts): Verdict {
  if (glibc !== null && !isOlder(glibc, LEAST_GLIBC)) return ok(`glibc ${glibc}`);
  return fail(
    glibc === null ? 'not glibc (musl?)' : `glibc ${glibc}`,
    `The engine’s library needs glibc ${LEAST_GLIBC}: use Debian 10, Ubuntu 18.10, JetPack 5 or newer.`,
    'ldd --version',
  );
}

function judgeClock({ clockSynchronised, datePlausible, date }: SystemFacts): Verdict {
  const advice = 'Time stamps look odd until it is set; deadlines do not use it.';
  const run = 'sudo timedatectl set-ntp true';
  if (!datePlausible) return warn(`${date} cannot be right`, advice, run);
  if (clockSynchronised === true) return ok(`${date}, synchronised`);
  if (clockSynchronised === null)
    return note(`${date}; nobody here says whether it is synchronised`);
  return warn(`${date}, not synchronised`, advice, run);
}

/** More restarts than this are no accident. */
const MANY_RESTARTS = 3;

function judgeService({ systemd, pm2, problem }: ServiceFacts, all: Outcomes): Verdict {
  const running = factsOf(all, 'storage')?.journal.state === 'open';
  if (systemd?.load === 'loaded') {
    const { unit, active, sub, result, restarts, pid } = systemd;
    const text = `systemd: ${unit} ${active} (${sub})${pid > 0 ? `, process ${pid}` : ''}`;
    if (active === 'failed' || (result !== 'success' && result !== '')) {
      return fail(
        `${text}, last result ${result}`,
        'Read why it ended, then start it again.',
        'journalctl -u twowatt -n 50',
      );
    }
    if (restarts > MANY_RESTARTS) {
      return warn(
        `${text}, restarted ${restarts} times`,
        'Read in the log why it ends.',
        'journalctl -u twowatt -n 200',
      );
    }
    if (active === 'active') return ok(text);
    return note(text, 'Start it.', 'sudo systemctl start twowatt');
  }
  if (pm2 !== null) {
    if (pm2.alive) return ok(`pm2: process ${pm2.pid}`);
    return warn(`pm2: process ${pm2.pid} is gone`, 'See what pm2 says.', 'pm2 logs twowatt');
  }
  if (problem !== null) return warn(problem, 'Ask systemd yourself.', 'systemctl status twowatt');
  if (running) return note('a daemon runs, started by hand: nothing starts it after a reboot');
  return note('none: nothing starts the daemon after a reboot (docs/operating.md says how)');
}

export const systemChecks = [
  check('config', { id: 'system.config', group: 'system', title: 'Configuration' }, judgeConfig),
  check('config', { id: 'system.secrets', group: 'system', title: 'Secrets' }, judgeSecrets),
  check('system', { id: 'system.node', group: 'system', title: 'Node' }, judgeNode),
  check('system', { id: 'system.library', group: 'system', title: 'C library' }, judgeLibrary),
  check('system', { id: 'system.clock', group: 'system', title: 'Time of day' }, judgeClock),
  check('service', { id: 'system.service', group: 'system', title: 'Service' }, judgeService),
];
