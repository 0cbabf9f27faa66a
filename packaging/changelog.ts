/**
 * The project's CHANGELOG.md in the form that Debian's tools read. A native package (no Debian
 * revision) has one changelog, and this is it.
 */
const LINE_WIDTH = 78;

type Release = { version: string; date: Date; entries: string[] };

/** @param version of the package @param date of the build, for what is not released yet */
export function renderDebianChangelog(
  markdown: string,
  version: string,
  maintainer: string,
  date: Date,
): string {
  const releases = readReleases(markdown, version, date);
  return releases
    .map(({ version: number, date: when, entries }) =>
      [
        `twowatt (${number}) stable; urgency=medium`,
        '',
        ...entries.map(wrapEntry),
        '',
        ` -- ${maintainer}  ${rfc5322(when)}`,
        '',
      ].join('\n'),
    )
    .join('\n');
}

function readReleases(markdown: string, version: string, date: Date): Release[] {
  return markdown
    .split(/^## /m)
    .slice(1)
    .flatMap((section): Release[] => {
      const [, name = '', day] = /^\[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?/.exec(section) ?? [];
      const entries = [...section.matchAll(/^- (.+(?:\n {2}.+)*)/gm)].map(([, text = '']) =>
        text.replaceAll(/\s+/g, ' '),
      );
      if (entries.length === 0) return [];
      return name === 'Unreleased'
        ? [{ version, date, entries }]
        : [{ version: name, date: new Date(`${day}T12:00:00Z`), entries }];
    });
}

function wrapEntry(entry: string): string {
  const lines: string[] = [];
  let line = '  *';
  for (const word of entry.split(' ')) {
    if (line.length + 1 + word.length > LINE_WIDTH && line.trim() !== '*') {
      lines.push(line);
      line = '   ';
    }
    line += ` ${word}`;
  }
  return [...lines, line].join('\n');
}

/** `Thu, 26 Nov 2026 13:00:00 +0000`, as in mail. */
const rfc5322 = (date: Date): string => date.toUTCString().replace('GMT', '+0000');
