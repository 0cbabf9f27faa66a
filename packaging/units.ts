import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A file of `systemd/`, and where Debian wants it. */
export type UnitFile = { source: string; target: string };

const PLACES: readonly { pattern: RegExp; target: (file: string) => string }[] = [
  {
    pattern: /(?:^|\/)[\w@.-]+\.(?:service|socket|path|timer|target|slice)$/,
    target: (file) => `usr/lib/systemd/system/${base(file)}`,
  },
  // Nothing to install: what an administrator may copy to /etc.
  {
    pattern: /^drop-ins\//,
    target: (file) => `usr/share/doc/twowatt/examples/${file}`,
  },
  { pattern: /sysusers/, target: () => 'usr/lib/sysusers.d/twowatt.conf' },
  { pattern: /tmpfiles/, target: () => 'usr/lib/tmpfiles.d/twowatt.conf' },
  { pattern: /\.rules$/, target: (file) => `usr/lib/udev/rules.d/${base(file)}` },
  // Programs that units call, such as the helper that may write clock limits.
  { pattern: /\.sh$/, target: (file) => `usr/lib/twowatt/systemd/${base(file)}` },
];

/**
 * Whatever lies in `systemd/` finds its place by its name.
 *
 * @throws Error for a file that no rule covers: it would silently be missing on boards
 */
export function unitFiles(folder: string): UnitFile[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((file) => !file.endsWith('.md'))
    .sort();
  return files.map((source) => {
    const place = PLACES.find(({ pattern }) => pattern.test(source));
    if (place === undefined) throw new Error(`systemd/${source}: where does Debian want it?`);
    return { source, target: place.target(source) };
  });
}

const base = (file: string): string => file.slice(file.lastIndexOf('/') + 1);

/** Units as in a checkout name its places; a package's program lies elsewhere. */
export const asInstalled = (text: string): string =>
  text
    .replaceAll('/usr/bin/node /opt/twowatt/bin/twowatt.js', '/usr/bin/twowatt')
    .replaceAll('/opt/twowatt/docs/', '/usr/share/doc/twowatt/')
    .replaceAll('/opt/twowatt/', '/usr/lib/twowatt/');

/** @throws Error when a unit would start something that the package does not bring. */
export function expectOwnProgram(unit: string, text: string): void {
  for (const [, program = ''] of text.matchAll(/^Exec\w+=[-@:+!]*(\S+)/gm)) {
    if (
      !/^\/usr\/(?:bin\/twowatt$|lib\/twowatt\/)|^\/(?:usr\/)?bin\/(?:sh|kill|true)$/.test(program)
    ) {
      throw new Error(`${unit}: ${program} is no program of the package`);
    }
  }
}

/** Units that a fresh install enables: those with an [Install] section, the fleet server excepted. */
export function enabledUnits(files: readonly { target: string; text: string }[]): string[] {
  return files
    .filter(({ target, text }) => /\/system\/[^/]+$/.test(target) && /^\[Install\]/m.test(text))
    .map(({ target }) => base(target))
    .filter((unit) => !/fleet/.test(unit) && !/@\./.test(unit))
    .sort();
}
