import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PUBLIC_FIELDS } from '../../../src/doctor/probes/log.ts';

const ROOT = resolve(import.meta.dirname, '../../..');

type Row = { level: string; msg: string; fields: { name: string; stays: boolean }[] };

function documented(): Row[] {
  const text = readFileSync(join(ROOT, 'docs/operating.md'), 'utf8');
  const start = text.indexOf('\n## Logs\n');
  const rows = text.slice(start, text.indexOf('\n## ', start + 1)).split('\n');
  return rows.flatMap((line) => {
    const [, , level = '', msg = '', fields = ''] =
      /^\| (\w+) \| (debug|info|warn|error) \| `([^`]+)`[^|]* \| (.*) ?\|$/.exec(line) ?? [];
    if (msg === '') return [];
    return [
      {
        level,
        msg,
        // What stands in parentheses are values.
        fields: [...fields.replaceAll(/\([^)]*\)/g, '').matchAll(/`(\w+)`(★?)/g)]
          .map(([, name = '', star]) => ({ name, stays: star === '★' }))
          .filter(({ name }) => name !== 'log.prompts'),
      },
    ];
  });
}

const source = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readFileSync(join(ROOT, 'src', path), 'utf8'))
  .join('\n');

describe('the table of log lines in docs/operating.md', () => {
  const rows = documented();

  it('has rows', () => expect(rows.length).toBeGreaterThan(20));

  it.each(rows)('$msg is logged at level $level', ({ level, msg }) => {
    const escaped = msg.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    const call = new RegExp(
      String.raw`\.${level}\((?:(?!\.(?:debug|info|warn|error)\()[\s\S]){0,400}?'${escaped}'`,
    );
    expect(call.test(source)).toBe(true);
  });

  it.each(rows)('$msg: what may leave in a support bundle is what the table says', ({ fields }) => {
    for (const { name, stays } of fields)
      expect([name, PUBLIC_FIELDS.has(name)]).toEqual([name, !stays]);
  });
});
