import {
  type ActionStatus,
  type AlertRecord,
  type AlertRule,
  type BoardRecord,
  isSeriesField,
  type SeriesColumn,
  type SeriesField,
  type SeriesResponse,
} from '../../../src/protocol/fleet/index.ts';
import { HOT_BOARD, seeded } from './boards.ts';

export const noCounts = (): Record<ActionStatus, number> => ({
  pending: 0,
  sent: 0,
  ok: 0,
  error: 0,
  timeout: 0,
  skipped: 0,
});

/** A history around a board's present figures; the same for the same question. */
export function seriesOf(
  record: BoardRecord,
  fields: readonly string[],
  range: { from: number; to: number; step: number },
): SeriesResponse {
  const step = Math.max(10_000, range.step, Math.round((range.to - range.from) / 600));
  const t_ms: number[] = [];
  for (let at = Math.ceil(range.from / step) * step; at <= range.to; at += step) t_ms.push(at);
  const series: SeriesResponse['fields'] = {};
  for (const field of fields)
    if (isSeriesField(field)) series[field] = columnOf(record, field, t_ms);
  return {
    node: record.node,
    from_ms: range.from,
    to_ms: range.to,
    step_ms: step,
    source: 'raw',
    t_ms,
    fields: series,
  };
}

function columnOf(record: BoardRecord, field: SeriesField, tMs: readonly number[]): SeriesColumn {
  const chance = seeded(field.length * 31 + record.node.length);
  const [room = '', name = ''] = field.split('.');
  const telemetry = record.telemetry as unknown as Record<string, Record<string, unknown>> | null;
  const now = telemetry?.[room]?.[name];
  const fixed = /budget|limit/.test(field);
  const mean = tMs.map((ms) => {
    if (typeof now !== 'number') return null;
    if (fixed) return now;
    const wave = Math.sin(ms / 600_000 + record.node.length) * 0.12;
    return Math.max(0, now * (0.9 + wave + chance() * 0.08));
  });
  return { mean, min: mean, max: mean };
}

/** Routing decisions as a board tells them. */
export const decisionsExample = (nowMs: number): unknown[] =>
  [
    {
      target: 'edge',
      reasons: ['low_difficulty'],
      difficulty: 0.21,
      confidence: 0.97,
      joules: 11.2,
      total_ms: 5400,
    },
    {
      target: 'cloud',
      endpoint: 'gateway',
      reasons: ['high_difficulty'],
      difficulty: 0.83,
      confidence: null,
      joules: null,
      total_ms: 1900,
    },
    {
      target: 'cloud',
      endpoint: 'gateway',
      reasons: ['low_confidence'],
      difficulty: 0.44,
      confidence: 0.51,
      escalated: true,
      joules: 8.4,
      total_ms: 7200,
    },
    {
      target: 'edge',
      reasons: ['privacy_local', 'explicit'],
      difficulty: 0.6,
      confidence: 0.88,
      joules: 14.9,
      total_ms: 8100,
    },
    {
      target: null,
      reasons: [],
      difficulty: null,
      confidence: null,
      joules: null,
      total_ms: null,
      error: 'deadline_unmeetable',
    },
  ].map((entry, index) =>
    Object.assign(
      {
        id: `prompt-${index}`,
        ts: new Date(nowMs - index * 41_000).toISOString(),
        endpoint: null,
        escalated: false,
        error: null,
        cost: entry.target === 'cloud' ? { amount: 0.00042, currency: 'USD' } : null,
      },
      entry,
    ),
  );

export const configExample = [
  { key: 'governor.budget_w', value: 2, origin: { source: 'mqtt' } },
  { key: 'mqtt.url', value: 'mqtt://broker.local:1883', origin: { source: 'file' } },
  { key: 'mqtt.password_file', value: '***', origin: { source: 'file' } },
  { key: 'router.privacy_default', value: 'redact', origin: { source: 'default' } },
  { key: 'log.level', value: 'info', origin: { source: 'default' } },
];

export const modelsExample = (model: string) => ({
  active: { id: model, form: 'int8', digest: 'sha256:4f1c9b0a77e2' },
  models: [
    { id: model, form: 'int8', slot: 'A', bytes: 412_000_000, active: true },
    { id: 'twowatt-nano', form: 'int8', slot: 'B', bytes: 21_000_000, active: false },
  ],
});

export function alertsExample(records: readonly BoardRecord[], nowMs: number): AlertRecord[] {
  const offline = records.find(({ status }) => status === 'offline');
  const base = {
    resolved_ms: null,
    acknowledged_by: null,
    acknowledged_ms: null,
    note: null,
    state: 'firing' as const,
  };
  return [
    {
      ...base,
      id: 'a1',
      rule_id: 'r1',
      rule_name: 'Too hot',
      severity: 'error',
      node: HOT_BOARD,
      text: 'soc_c / limit_c is 1.04, more than 1',
      value: 1.04,
      began_ms: nowMs - 780_000,
    },
    ...(offline === undefined
      ? []
      : [
          {
            ...base,
            id: 'a2',
            rule_id: 'r2',
            rule_name: 'Offline',
            severity: 'warning' as const,
            node: offline.node,
            text: 'status is offline',
            value: 'offline',
            began_ms: nowMs - 5_400_000,
          },
        ]),
  ];
}

export function rulesExample(nowMs: number): AlertRule[] {
  const base = {
    enabled: true,
    boards: {},
    webhook_url: null,
    mqtt: false,
    created_by: 'ada',
    updated_ms: nowMs,
  };
  return [
    {
      ...base,
      id: 'r1',
      name: 'Too hot',
      severity: 'error',
      condition: { kind: 'ratio', field: 'soc_c', over: 'limit_c', op: '>', value: 1 },
      for_s: 60,
    },
    {
      ...base,
      id: 'r2',
      name: 'Offline',
      severity: 'warning',
      condition: { kind: 'status', statuses: ['offline', 'stale'] },
      for_s: 300,
    },
  ];
}
