import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FLEET_METRIC_NAMES } from '../../src/fleet/server/metrics.ts';
import { METRIC_NAMES, metricsText } from '../../src/gateway/http/metrics.ts';
import { telemetryExample } from '../fixtures/telemetry.ts';

const EXAMPLES = resolve(import.meta.dirname, '../../examples');
const installed = spawnSync('promtool', ['--version'], { stdio: 'ignore' }).error === undefined;
if (!installed) console.warn('\n*** promtool is not installed: what it checks is skipped ***\n');

type Panel = {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { refId: string; expr: string; datasource: { uid: string } }[];
};
type Dashboard = {
  uid: string;
  title: string;
  schemaVersion: number;
  templating: { list: { name: string }[] };
  panels: Panel[];
};

const dashboards = readdirSync(join(EXAMPLES, 'grafana')).map((name) => {
  const text = readFileSync(join(EXAMPLES, 'grafana', name), 'utf8');
  return { name, text, dashboard: JSON.parse(text) as Dashboard };
});
const rules = readFileSync(join(EXAMPLES, 'prometheus/alerts.yml'), 'utf8');
const expressions = dashboards.flatMap(({ dashboard }) =>
  dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
);
const used = (text: string) => new Set(text.match(/\btwowatt_[a-z0-9_]+/g));
/** As Grafana fills the variables in. */
const filled = (expr: string) =>
  expr
    .replaceAll('$__rate_interval', '1m')
    .replaceAll('$__range', '6h')
    .replaceAll('$instance', 'a');

function promtool(args: string[], input = ''): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

describe('what Prometheus and Grafana are given', () => {
  it('uses only metrics that a board or a fleet server has', () => {
    const names = new Set([...METRIC_NAMES, ...FLEET_METRIC_NAMES]);
    for (const text of [rules, ...expressions, ...dashboards.map((one) => one.text)]) {
      expect([...used(text)].filter((name) => !names.has(name))).toEqual([]);
    }
    expect(used(rules).size).toBeGreaterThan(10);
  });

  it('shows or watches every metric, save those that say who it is', () => {
    const shown = used([rules, ...expressions].join('\n'));
    const left = [...METRIC_NAMES, ...FLEET_METRIC_NAMES].filter((name) => !shown.has(name));
    expect(left).toEqual([
      'twowatt_uptime_seconds',
      'twowatt_power_measured',
      'twowatt_board_idle_power_watts',
      'twowatt_governor_threads',
      'twowatt_engine_slots',
      'twowatt_engine_slots_busy',
      'twowatt_load1',
    ]);
  });

  it.each(dashboards)(
    '$name is laid out on the grid without overlaps, every panel with queries',
    ({ dashboard }) => {
      expect(dashboard.uid).toMatch(/^[a-zA-Z0-9_-]{1,40}$/);
      expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(39);
      const { panels } = dashboard;
      expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
      const taken = new Set<string>();
      for (const { gridPos, targets, title } of panels) {
        expect(title).not.toBe('');
        expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
            expect(taken.has(`${x},${y}`), `${title} overlaps`).toBe(false);
            taken.add(`${x},${y}`);
          }
        }
        expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
        expect(targets.every(({ datasource }) => datasource.uid === '${datasource}')).toBe(true);
      }
      const variables = new Set(dashboard.templating.list.map(({ name }) => name));
      const wanted = panels.flatMap(({ targets }) =>
        targets.flatMap(({ expr }) => [...expr.matchAll(/\$(?!__)(\w+)/g)].map(([, name]) => name)),
      );
      expect(wanted.filter((name) => !variables.has(name ?? ''))).toEqual([]);
    },
  );
});

describe.runIf(installed)('promtool', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'twowatt-promtool-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('finds nothing to complain of in /metrics', () => {
    const telemetry = telemetryExample();
    telemetry.router.by_reason = { low_difficulty: 3, 'odd "one"\\': 1 };
    telemetry.power.mean_60s_w = 1;
    const text = metricsText({
      version: '1.2.3',
      telemetry,
      health: [
        {
          code: 'disk_full',
          severity: 'error',
          title: 't',
          text: 't',
          since: '2026-01-01T00:00:00.000Z',
          depends_on: [],
        },
      ],
      wallMs: Date.parse(telemetry.ts) + 1500,
    });
    expect(promtool(['check', 'metrics'], text)).toEqual({ status: 0, output: '' });
    // It can complain.
    expect(promtool(['check', 'metrics'], '# TYPE a_total gauge\na_total 1\n').status).not.toBe(0);
  });

  it('accepts the alert rules, and they fire when they should and only then', () => {
    const check = promtool(['check', 'rules', join(EXAMPLES, 'prometheus/alerts.yml')]);
    expect(check).toMatchObject({ status: 0 });
    const test = promtool(['test', 'rules', join(EXAMPLES, 'prometheus/alerts.test.yml')]);
    expect(test.output).toContain('SUCCESS');
    expect(test.status).toBe(0);
    const alerts = [...rules.matchAll(/alert: (\w+)/g)].map(([, name]) => name);
    const tests = readFileSync(join(EXAMPLES, 'prometheus/alerts.test.yml'), 'utf8');
    expect(alerts.filter((name) => !tests.includes(`alertname: ${name}`))).toEqual([]);
  });

  it('accepts the example configuration', () => {
    const args = ['check', 'config', '--syntax-only', join(EXAMPLES, 'prometheus/prometheus.yml')];
    expect(promtool(args)).toMatchObject({ status: 0 });
  });

  it('can parse every query of the dashboards', () => {
    const records = expressions.map(
      (expr, i) => `  - record: 'query:${i}'\n    expr: ${JSON.stringify(filled(expr))}\n`,
    );
    const file = join(folder, 'queries.yml');
    writeFileSync(file, `groups:\n- name: queries\n  rules:\n${records.join('')}`);
    const { status, output } = promtool(['check', 'rules', file]);
    expect(output).toContain(`${expressions.length} rules found`);
    expect(status).toBe(0);
  });
});
