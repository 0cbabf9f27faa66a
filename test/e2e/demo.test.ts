import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEMO_SCENES, DEMO_SUGGESTION } from '../../src/cli/demo-prompts.ts';
import type { DoneFrame } from '../../src/protocol/index.ts';
import { runCli, startCli, until } from '../integration/cli/cli-process.ts';
import { temporaryFolder } from './harness.ts';

/** The answers that the demo's prompts should get, in order. */
const RIGHT_ANSWERS = [
  '{"intent":"set","device":"fan","room":"basement","property":"speed","value":100}',
  '{"intent":"schedule","device":"ac","room":"entrance","action":"set","property":"temperature","value":19,"time":"06:00","repeat":"daily"}',
  'Critical: CPU temperature 94.4°C is too high (limit 90); reduce the load now and check the cooling.',
  '警告：磁盘占用90%偏高（限值85），请清理旧日志。警告：湿度89%偏高（限值80），请通风或除湿。',
  'MQTT是一种轻量的发布/订阅消息协议，运行在TCP之上，适合小设备和弱网络。',
  'QoS 2 means exactly once: a four-step handshake makes sure the message arrives once.',
  '{"intent":"off","device":"humidifier","room":"line_2"}',
  '{"intent":"off","device":"humidifier","room":"cold_storage"}',
  'QoS 1 means at least once: the message is acknowledged with PUBACK and may arrive twice.',
];

type Line = { type: string; prompt?: string; frame?: DoneFrame; broker?: string };
const linesOf = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

/** The demo keeps to 2 W of a machine that it knows nothing of, and starts two engines. */
const PATIENCE_MS = 90_000;

describe('twowatt demo', { timeout: 120_000 }, () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let tmp: string;
  beforeEach(() => {
    folder = temporaryFolder();
    tmp = join(folder.path, 'tmp');
    mkdirSync(tmp);
  });
  afterEach(() => folder.remove());

  it('--once asks everything over MQTT, gets the right answers and leaves nothing behind', async () => {
    const run = await runCli(folder.path, ['demo', '--once', '--json'], { env: { TMPDIR: tmp } });
    expect(run.stderr).toBe('');
    expect(run.code).toBe(0);
    const lines = linesOf(run.stdout);
    expect(lines.map(({ type }) => type)).toEqual([
      'opening',
      'ready',
      ...RIGHT_ANSWERS.map(() => 'answer'),
      'answer',
    ]);
    const answers = lines.filter(({ type }) => type === 'answer');
    expect(answers.map(({ prompt }) => prompt)).toEqual(DEMO_SCENES.flatMap(({ turns }) => turns));
    const poem = answers.pop();
    expect(poem?.frame).toMatchObject({ type: 'error', error: { code: 'low_confidence' } });
    expect(answers.map(({ frame }) => frame?.text)).toEqual(RIGHT_ANSWERS);
    const fromCloud = answers.pop();
    expect(fromCloud?.frame?.route).toMatchObject({ target: 'cloud', endpoint: 'gateway' });
    expect(fromCloud?.frame?.cost.amount).toBeGreaterThan(0);
    for (const { frame } of answers) expect(frame?.confidence).toBeGreaterThan(0.9);
    expect(readdirSync(tmp)).toEqual([]);
  });

  it('stays up for prompts of one’s own until it is interrupted, and then leaves nothing behind', async () => {
    const run = startCli(folder.path, ['demo', '--json'], { env: { TMPDIR: tmp } });
    await until(() => run.stdout().includes('"closing"'), 'the end of the prompts', PATIENCE_MS);
    const url = linesOf(run.stdout()).at(-1)?.broker ?? '';
    const remote = ['ask', '--broker', url, '--node', 'demo', DEMO_SUGGESTION];
    expect(await runCli(folder.path, remote)).toEqual({
      code: 0,
      stdout: '{"intent":"set","device":"fan","room":"bathroom","property":"speed","value":40}\n',
      stderr: '',
    });
    run.signal('SIGINT');
    expect(await run.exited).toBe(0);
    expect(readdirSync(tmp)).toEqual([]);
  });

  it('fits an 80-column terminal and says how to go on', async () => {
    const run = startCli(folder.path, ['demo'], { env: { TMPDIR: tmp } });
    await until(
      () => run.stdout().includes('Ctrl-C ends the demo'),
      'the end of the prompts',
      PATIENCE_MS,
    );
    run.signal('SIGTERM');
    expect(await run.exited).toBe(0);
    expect(run.stdout()).toMatch(
      /mosquitto_pub -h 127\.0\.0\.1 -p \d+ -q 1 -t twowatt\/v1\/demo\/prompt\/text/,
    );
    expect(run.stdout()).not.toContain('\u001B');
    const { displayWidth } = await import('../../src/cli/terminal.ts');
    for (const line of run.stdout().split('\n')) {
      expect(displayWidth(line.trimEnd()), line).toBeLessThanOrEqual(80);
    }
  });
});
