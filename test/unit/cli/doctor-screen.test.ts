import { describe, expect, it } from 'vitest';
import { doctorScreen } from '../../../src/cli/doctor-screen.ts';
import { displayWidth } from '../../../src/cli/terminal.ts';
import type { Finding, Report } from '../../../src/doctor/index.ts';

const FINDINGS: Finding[] = [
  { id: 'board.model', group: 'board', status: 'ok', title: 'Board', detail: '树莓派 '.repeat(30) },
  {
    id: 'storage.disk',
    group: 'storage',
    status: 'warn',
    title: 'Disk',
    detail: 'little',
    advice: `Free some space${' and then some'.repeat(9)}.`,
    run: `sudo rm -r ${'/a-long-folder'.repeat(9)}`,
  },
  {
    id: 'broker.reachable',
    group: 'broker',
    status: 'fail',
    title: 'Broker',
    detail: 'says \u001B[2J\u001B]0;owned\u0007\nand \u202Emore',
    advice: 'Set it.',
    run: 'mqtt: { url: "mqtt://HOST:1883" }',
  },
];

const made = (findings: Finding[]): Report => ({
  v: 1,
  version: '0.1.0',
  node: 'board',
  ts: '2026-11-26T03:12:00.000Z',
  verdict: 'fail',
  counts: { ok: 1, note: 0, warn: 1, fail: 1 },
  findings,
});

const bare = (_style: unknown, text: string) => text;
const screen = (width: number, findings = FINDINGS) => doctorScreen(made(findings), width, bare);

describe('the screen', () => {
  it.each([80, 60, 100])('fits %i columns, but for what is there to be copied', (width) => {
    const lines = screen(width).split('\n');
    const copied = lines.filter((line) => /^ {4}(\$|config\.yaml:) /.test(line));
    expect(copied).toHaveLength(2);
    for (const line of lines) {
      if (!copied.includes(line)) expect(displayWidth(line)).toBeLessThanOrEqual(width);
    }
  });

  it('says how bad it is in words, and names it again in the last lines', () => {
    expect(screen(80)).toMatch(/^ {2}ok {4}Board {3}/m);
    expect(screen(80)).toMatch(/^ {2}WARN {2}Disk /m);
    expect(screen(80)).toMatch(/^ {2}FAIL {2}Broker /m);
    expect(screen(80).trimEnd().split('\n').slice(-2)).toEqual(['FAIL  Broker', 'WARN  Disk']);
    expect(screen(80, FINDINGS.slice(0, 1))).toMatch(/All is well\.\n$/);
  });

  it('never breaks a command and tells a setting from one', () => {
    expect(screen(60)).toContain(`    $ ${FINDINGS[1]?.run}\n`);
    expect(screen(60)).toContain('    config.yaml: mqtt: { url: "mqtt://HOST:1883" }\n');
  });

  it('lets no text drive the terminal', () => {
    const text = screen(80).replaceAll('\n', '');
    expect(text).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
    expect(screen(80)).toContain('says ?[2J?]0;owned?; and ?more');
  });
});
