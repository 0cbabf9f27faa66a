import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeSchema } from '../../../src/config/index.ts';

const DOCS = join(import.meta.dirname, '../../../docs/configuration.md');

type Row = { key: string; default: string; doc: string; live: string; remote: string };

/** One row per setting; the text of the schema is the text of the manual. */
function expectedRows(): Row[] {
  return describeSchema().map((fact) => ({
    key: fact.key,
    default: fact.default === '' ? 'empty' : JSON.stringify(fact.default),
    doc: `${fact.doc} Takes ${fact.expected}.`,
    live: fact.live ? 'yes' : 'no',
    remote: fact.remote ? 'yes' : 'no',
  }));
}

function documentedRows(): Row[] {
  const rows: Row[] = [];
  for (const line of readFileSync(DOCS, 'utf8').split('\n')) {
    const match = /^\| `([a-z_.]+)` \| `(.*?)` \| (.*) \| (yes|no) \| (yes|no) \|$/.exec(line);
    if (match === null) continue;
    const [, key = '', standard = '', doc = '', live = '', remote = ''] = match;
    rows.push({ key, default: standard, doc, live, remote });
  }
  return rows;
}

it('docs/configuration.md and the schema say the same of every key', () => {
  expect(documentedRows().length).toBeGreaterThan(50);
  expect(documentedRows()).toEqual(expectedRows());
});
