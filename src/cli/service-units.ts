import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isErrno, packageVersion, writeFileAtomic } from '../core/index.ts';

/** Where the package lies; src/cli and dist/cli are equally deep in it. */
export const PACKAGE_FOLDER = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

/** From this version on systemd knows RestartSteps. */
const KNOWS_BACKOFF = 254;
/** What the units say for the program; a Debian package has it there. */
const SHIPPED_PROGRAM = '/usr/bin/twowatt';
/** Hidden from the services; a package under them is shown by itself, read-only. */
const HOMES = ['/home/', '/root/', '/run/user/'];

/** How twowatt is started on this machine, both absolute. */
export type Program = { node: string; script: string };

export const thisProgram = (): Program => ({
  node: process.execPath,
  script: join(PACKAGE_FOLDER, 'bin', 'twowatt.js'),
});

export type ServiceFile = { path: string; content: string };

/** A path as a word of a unit file: systemd expands % and $ and reads quotes and backslashes. */
function unitWord(path: string): string {
  const expanded = path.replaceAll('%', '%%');
  if (!/[\s"'\\;$]/.test(expanded)) return expanded;
  return `"${expanded.replaceAll('$', '$$$$').replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

function adapt(unit: string, { node, script }: Program): string {
  const command = `${unitWord(node)} ${unitWord(script)}`;
  const text = unit
    .replaceAll(`${SHIPPED_PROGRAM} `, () => `${command} `)
    .replaceAll('file:///usr/share/doc/twowatt/', `file://${encodeURI(PACKAGE_FOLDER)}/systemd/`);
  const shown = [node, dirname(dirname(script))].filter((path) =>
    HOMES.some((home) => path.startsWith(home)),
  );
  if (shown.length === 0 || !text.includes(command)) return text;
  const binds = shown.map((path) => `BindReadOnlyPaths=${unitWord(path)}`).join('\n');
  return text.replace('ProtectHome=yes', () => `ProtectHome=tmpfs\n${binds}`);
}

/** Every file that makes twowatt a service of systemd, as it should stand under the root. */
export function serviceFiles(program: Program, systemdVersion: number | null): ServiceFile[] {
  const shipped = (name: string) => readFileSync(join(PACKAGE_FOLDER, 'systemd', name), 'utf8');
  const units = ['twowatt.service', 'twowatt-cpufreq.service', 'twowatt-fleet.service'];
  const files = [
    ...units.map((name) => ({
      path: `/etc/systemd/system/${name}`,
      content: adapt(shipped(name), program),
    })),
    { path: '/etc/systemd/system/twowatt.target', content: shipped('twowatt.target') },
    { path: '/etc/sysusers.d/twowatt.conf', content: shipped('sysusers.d/twowatt.conf') },
    { path: '/etc/tmpfiles.d/twowatt.conf', content: shipped('tmpfiles.d/twowatt.conf') },
  ];
  if (systemdVersion !== null && systemdVersion >= KNOWS_BACKOFF) {
    const path = '/etc/systemd/system/twowatt.service.d/backoff.conf';
    files.push({ path, content: shipped('drop-ins/backoff.conf') });
  }
  return files.map(({ path, content }) => ({ path, content: signed(content) }));
}

const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');
const SIGNATURE =
  /^# Written by `twowatt service install` of version \S+; sha256 of the rest: ([0-9a-f]{64})\n/;

/** The first line tells later whether somebody has edited the file since. */
function signed(content: string): string {
  return `# Written by \`twowatt service install\` of version ${packageVersion()}; sha256 of the rest: ${digestOf(content)}\n${content}`;
}

/** How a file stands: `edited` was ours and somebody changed it, `foreign` was never ours. */
export type Standing = 'absent' | 'same' | 'ours' | 'edited' | 'foreign';

export function standingOf(path: string, wanted: string): Standing {
  let found: string;
  try {
    // A link is an administrator's (systemctl mask, a unit kept elsewhere).
    if (!lstatSync(path).isFile()) return 'foreign';
    found = readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 'absent';
    throw error;
  }
  if (found === wanted) return 'same';
  const [line = '', digest] = SIGNATURE.exec(found) ?? [];
  if (digest === undefined) return 'foreign';
  return digest === digestOf(found.slice(line.length)) ? 'ours' : 'edited';
}

export function writeServiceFile(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  // A link would be written through to wherever it points.
  rmSync(path, { force: true });
  writeFileAtomic(path, content, 0o644);
}
