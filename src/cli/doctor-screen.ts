import { type Finding, type Group, GROUPS, type Report, type Status } from '../doctor/index.ts';
import { displayWidth, type painter, wrap } from './terminal.ts';

type Paint = ReturnType<typeof painter>;

const HEADINGS: Record<Group, string> = {
  board: 'BOARD',
  governor: 'GOVERNOR',
  model: 'MODEL',
  storage: 'STORAGE',
  broker: 'BROKER',
  system: 'SYSTEM',
};

/** The words tell without colour; capitals catch the eye when a page of them scrolls by. */
const MARKS: Record<Status, string> = { ok: 'ok', note: 'note', warn: 'WARN', fail: 'FAIL' };
const STYLES = { ok: 'green', note: 'cyan', warn: 'yellow', fail: 'red' } as const;
const MARK_COLUMNS = 4;
const GAP = '  ';

/** Texts come from files and from other machines: none of them may drive the terminal. */
const plain = (text: string): string =>
  text.replaceAll(/\s*\n\s*/g, '; ').replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, '?');

/** A line for the configuration file, `section: { … }`; everything else is a command. */
const isSetting = (run: string): boolean => /^[a-z]+: /.test(run);

function findingLines(finding: Finding, titleColumns: number, width: number, paint: Paint) {
  const mark = MARKS[finding.status].padEnd(MARK_COLUMNS);
  const title = finding.title + ' '.repeat(titleColumns - displayWidth(finding.title));
  const indent = ' '.repeat(GAP.length + MARK_COLUMNS + GAP.length + titleColumns + GAP.length);
  const room = width - indent.length;
  const [first = '', ...rest] = wrap(plain(finding.detail), room);
  const lines = [
    `${GAP}${paint(STYLES[finding.status], mark)}${GAP}${title}${GAP}${first}`.trimEnd(),
    ...rest.map((line) => indent + line),
  ];
  if (finding.advice !== undefined) {
    const [head = '', ...more] = wrap(plain(finding.advice), room - 2);
    lines.push(`${indent}> ${head}`, ...more.map((line) => `${indent}  ${line}`));
  }
  // Never broken into lines: it is there to be copied.
  if (finding.run !== undefined) {
    const lead = isSetting(finding.run) ? 'config.yaml: ' : '$ ';
    lines.push(`${GAP}${GAP}${paint('dim', lead)}${plain(finding.run)}`);
  }
  return lines;
}

const named = (findings: readonly Finding[]): string =>
  findings.map(({ title }) => title).join(', ');

function summary({ findings }: Report, paint: Paint): string[] {
  const failed = findings.filter(({ status }) => status === 'fail');
  const warned = findings.filter(({ status }) => status === 'warn');
  if (failed.length + warned.length === 0) return [paint('green', 'All is well.')];
  return [
    ...(failed.length === 0 ? [] : [paint('red', `FAIL  ${named(failed)}`)]),
    ...(warned.length === 0 ? [] : [paint('yellow', `WARN  ${named(warned)}`)]),
  ];
}

/** The report for people: grouped, aligned, `width` columns wide; what is wrong is named again at the end. */
export function doctorScreen(report: Report, width: number, paint: Paint): string {
  const { findings, version, node, ts } = report;
  const titleColumns = Math.max(...findings.map(({ title }) => displayWidth(title)), 0);
  const head = [node, `twowatt ${version}`, ts.slice(0, 19).replace('T', ' ') + ' UTC'];
  const lines = [paint('bold', head.filter((part) => part !== null).join(GAP))];
  for (const group of GROUPS) {
    const members = findings.filter((finding) => finding.group === group);
    if (members.length === 0) continue;
    lines.push('', paint('bold', HEADINGS[group]));
    for (const one of members) lines.push(...findingLines(one, titleColumns, width, paint));
  }
  lines.push('', ...summary(report, paint).flatMap((line) => wrap(line, width)));
  return `${lines.join('\n')}\n`;
}
