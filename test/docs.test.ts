import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERROR_TABLE } from '../src/core/index.ts';
import { METRIC_NAMES } from '../src/gateway/http/metrics.ts';
import { CHECKS } from '../src/doctor/checks/index.ts';
import {
  HEALTH_CODES,
  nodeTopics,
  poolTopics,
  ROUTE_REASONS,
  VERBS,
} from '../src/protocol/index.ts';
import { telemetryExample } from './fixtures/telemetry.ts';

const protocol = readFileSync(resolve(import.meta.dirname, '../docs/protocol.md'), 'utf8');

function section(title: string): string {
  const start = protocol.indexOf(`\n## ${title}\n`);
  expect(start, `docs/protocol.md has no section "${title}"`).toBeGreaterThan(0);
  const end = protocol.indexOf('\n## ', start + 1);
  return protocol.slice(start, end < 0 ? undefined : end);
}

/** Everything in code quotes, in the order of the text, without `config` keys and JSON. */
function quoted(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(/`([^`]+)`/g)]
    .map((match) => match[1] ?? '')
    .filter((word) => pattern.test(word));
}

describe('docs/protocol.md agrees with the code, both ways', () => {
  it('error codes, their HTTP status and whether a retry can help', () => {
    const rows = [...section('Error codes').matchAll(/^\| `(\w+)` \| (\d+) \| (yes|no) \|/gm)];
    const documented = Object.fromEntries(
      rows.map(([, code = '', status, retry]) => [
        code,
        { httpStatus: Number(status), retryable: retry === 'yes' },
      ]),
    );
    expect(documented).toEqual(ERROR_TABLE);
  });

  it('health codes', () => {
    const codes = quoted(section('Health conditions'), /^[a-z_]+$/);
    expect(new Set(codes)).toEqual(new Set(HEALTH_CODES));
  });

  it('route reasons', () => {
    expect(new Set(quoted(section('Route reasons'), /^[a-z_]+$/))).toEqual(new Set(ROUTE_REASONS));
  });

  it('requests to a node', () => {
    const verbs = quoted(section('Requests to a node'), /^[a-z]/).map((word) => word.split(' ')[0]);
    expect(new Set(verbs)).toEqual(new Set(VERBS));
  });

  it('metrics', () => {
    const documented = quoted(section('HTTP'), /^twowatt_/);
    expect(documented).toEqual(METRIC_NAMES);
  });

  it('topics', () => {
    const node = nodeTopics('{base}', '{node}');
    const pool = poolTopics('{base}', '{pool}');
    const inCode = [
      node.prompt,
      node.promptText,
      node.replyText,
      node.reply('{id}'),
      node.replyInvalid,
      node.cancel,
      node.state,
      node.info,
      node.health,
      node.telemetry,
      `${node.requestPrefix}{verb}`,
      node.response('{verb}'),
      pool.sharedPrompt,
      pool.reply('{id}'),
      pool.cancel,
    ];
    const rows = [...section('MQTT topics').matchAll(/^\| `([^`]+)` \|/gm)].map((row) => row[1]);
    expect(new Set(rows)).toEqual(new Set(inCode));
  });
});

describe('docs/telemetry.md agrees with the code, both ways', () => {
  it('the fields of the message', () => {
    const text = readFileSync(resolve(import.meta.dirname, '../docs/telemetry.md'), 'utf8');
    const rows = [...text.matchAll(/^\| (?:`(\w+)`)? ?\| (`v`.*|`\w+`, `.*) \|$/gm)];
    const documented = rows.flatMap(([, part, fields = '']) =>
      [...fields.matchAll(/`([a-z_0-9]+)`/g)].map(([, name]) => (part ? `${part}.${name}` : name)),
    );
    const { v, ...example } = {
      ...telemetryExample(),
      late: true,
      clock: { synchronised: true, boot: '', boot_ms: 1, corrected: true },
    };
    const inCode = Object.entries(example).flatMap(([name, value]) =>
      typeof value === 'object' ? Object.keys(value).map((field) => `${name}.${field}`) : [name],
    );
    const optional = ['power.reason', 'thermal.reason', 'engine.joules_total'];
    expect(v).toBe(1);
    expect(new Set(documented)).toEqual(new Set(['v', ...inCode, ...optional]));
  });
});

describe('docs/operating.md agrees with the code, both ways', () => {
  it('the checks of doctor', () => {
    const operating = readFileSync(resolve(import.meta.dirname, '../docs/operating.md'), 'utf8');
    const start = operating.indexOf('\n## When something is wrong: twowatt doctor\n');
    expect(start).toBeGreaterThan(0);
    const text = operating.slice(start, operating.indexOf('\n## ', start + 1));
    const rows = [...text.matchAll(/^\| `([a-z]+\.[a-z]+)` \|/gm)].map((row) => row[1]);
    expect(rows).toEqual(CHECKS.map(({ id }) => id));
  });
});
