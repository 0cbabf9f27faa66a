import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, temporaryHome } from './cli-process.ts';

const SAMPLE = resolve(import.meta.dirname, '../../fixtures/router/mmlu-sample.jsonl');
const ENDPOINTS = JSON.stringify([
  { name: 'near', base_url: 'http://127.0.0.1:9/v1', model: 'm' },
  { name: 'far', base_url: 'http://127.0.0.1:9/v1', model: 'm', tier: 3 },
]);
const HARD = '请比较两种方案的区别，并分析如果网络中断应该如何处理，为什么？';

describe('twowatt route', () => {
  let home: ReturnType<typeof temporaryHome>;
  beforeAll(() => (home = temporaryHome()));
  afterAll(() => home.remove());
  const route = (...args: string[]) => runCli(home.path, ['route', ...args]);
  const file = (name: string, content?: string) => {
    const path = join(home.path, name);
    if (content !== undefined) writeFileSync(path, content);
    return path;
  };

  it('explains where a prompt goes and why', async () => {
    const plain = await route('explain', 'turn on the light');
    expect(plain).toMatchObject({ code: 0, stderr: '' });
    expect(plain.stdout).toMatch(/goes to +the board\nreasons +low_difficulty\n/);
    expect(plain.stdout).toMatch(/comparison +0\.000 +-0\.\d+/);

    const cloud = [
      '--set',
      `cloud.endpoints=${ENDPOINTS}`,
      '--set',
      'router.difficulty_threshold=0.25',
    ];
    const hard = await route('explain', HARD, ...cloud, '--json');
    expect(JSON.parse(hard.stdout)).toMatchObject({
      target: 'cloud',
      tier: 1,
      reasons: ['high_difficulty'],
      privacy: 'redact',
      threshold: 0.25,
    });
    const local = await route('explain', HARD, ...cloud, '--privacy', 'local', '--json');
    expect(JSON.parse(local.stdout)).toMatchObject({ target: 'edge', reasons: ['privacy_local'] });
    const stuck = await route(
      'explain',
      HARD,
      '--set',
      'router.difficulty_threshold=0.2',
      '--json',
    );
    expect(JSON.parse(stuck.stdout)).toMatchObject({
      target: 'edge',
      reasons: ['high_difficulty', 'cloud_unavailable'],
    });
    const blocked = await route('explain', HARD, '--privacy', 'local', '--route', 'cloud');
    expect(blocked).toMatchObject({ code: 1, stdout: '' });
    expect(blocked.stderr).toContain('privacy_blocked');
  });

  it('evaluates and writes one score a row, in order', async () => {
    const scores = file('scores.jsonl');
    const { code, stdout } = await route('eval', '--data', SAMPLE, '--scores', scores, '--json');
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as Record<string, number>;
    expect(report).toMatchObject({ rows: 299, labelled: 299 });
    expect(report['apgr']).toBeGreaterThan(0.55);
    expect(report['cpt80']).toBeGreaterThan(report['cpt50'] ?? 1);
    expect(report['saving_at_cpt50']).toBeCloseTo(1 - (report['cpt50'] ?? 0), 9);
    const dear = await route('eval', '--data', SAMPLE, '--edge-cost', '0.5', '--json');
    const { saving_at_cpt50: saved } = JSON.parse(dear.stdout) as Record<string, number>;
    expect(saved).toBeCloseTo((1 - (report['cpt50'] ?? 0)) / 2, 9);
    const written = readFileSync(scores, 'utf8').trim().split('\n');
    expect(written).toHaveLength(299);
    const [first] = readFileSync(SAMPLE, 'utf8').split('\n');
    const { prompt } = JSON.parse(first ?? '') as { prompt: string };
    const explained = await route('explain', prompt, '--json');
    expect(JSON.parse(written[0] ?? '')).toEqual({
      difficulty: (JSON.parse(explained.stdout) as { difficulty: number }).difficulty,
    });
  });

  it('takes rows without labels, and says that it cannot judge them', async () => {
    const data = file('plain.jsonl', '{"prompt":"a"}\n{"prompt":"b"}\n');
    const { code, stdout, stderr } = await route('eval', '--data', data);
    expect(code).toBe(0);
    expect(stdout).toMatch(/apgr +not defined/);
    expect(stderr).toContain('nothing to judge by');
  });

  it('names bad rows and missing files', async () => {
    const data = file('bad.jsonl', '{"prompt":"a"}\n{"prompt":1}\n{oops\n');
    const bad = await route('eval', '--data', data, '--scores', file('never.jsonl'));
    expect(bad.code).toBe(2);
    expect(bad.stderr).toMatch(/line 2: prompt: expected a string\nline 3: not valid JSON/);
    expect(() => readFileSync(file('never.jsonl'))).toThrow(/ENOENT/);
    const none = await route('calibrate', '--data', file('nowhere.jsonl'));
    expect(none).toMatchObject({ code: 2, stdout: '' });
    expect(none.stderr).toContain('there is no such file');
  });

  it('calibrates: the printed setting gives the wanted share', async () => {
    const chart = file('curve.svg');
    const { code, stdout } = await route(
      'calibrate',
      '--data',
      SAMPLE,
      '--share',
      '0.2',
      '--chart',
      chart,
      '--json',
    );
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as { threshold: number; setting: string; curve: unknown[] };
    expect(report.curve).toHaveLength(11);
    expect(readFileSync(chart, 'utf8')).toMatch(/^<svg [\s\S]*<polyline [\s\S]*<\/svg>\n$/);
    const judged = await route('eval', '--data', SAMPLE, '--set', report.setting, '--json');
    const { cloud_share_at_threshold: share } = JSON.parse(judged.stdout) as Record<string, number>;
    expect(share).toBeCloseTo(0.2, 2);
    const table = await route('calibrate', '--data', SAMPLE, '--share', '0.2');
    expect(table.stdout).toContain(`--set ${report.setting}\n`);
  });

  it.each([
    [['explain'], /missing required argument/],
    [['explain', '  '], /the prompt is empty/],
    [['explain', 'x', '--privacy', 'secret'], /Allowed choices are local, redact, any/],
    [['calibrate', '--data', SAMPLE, '--share', '30'], /expected a number from 0 to 1/],
    [['eval'], /--data/],
  ])('%j is wrong usage', async (args, message) => {
    const { code, stderr } = await route(...args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
