import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DoneFrame } from '../../src/protocol/index.ts';
import { runCli } from '../integration/cli/cli-process.ts';
import { temporaryFolder } from './harness.ts';

const NANO = resolve(import.meta.dirname, '../../models/twowatt-nano');

describe('twowatt ask and chat on this machine, with the real engine', () => {
  let home: ReturnType<typeof temporaryFolder>;
  const settings = ['--set', 'engine.threads=1'];
  beforeAll(() => (home = temporaryFolder()));
  afterAll(() => home.remove());

  it('answers with the bundled model: converted at the first time, cached from then on', async () => {
    const first = await runCli(home.path, ['ask', ...settings, '打开书房的台灯']);
    expect(first.stdout).toBe('{"intent":"on","device":"light","room":"study"}\n');
    expect(first.code).toBe(0);
    expect(first.stderr).toMatch(/^converting the model: /);
    const second = await runCli(home.path, ['ask', ...settings, '打开书房的台灯']);
    expect(second).toEqual({ ...first, stderr: '' });
  });

  it('takes a folder as downloaded, and writes nothing into it', async () => {
    const folder = join(home.path, 'downloaded');
    cpSync(NANO, folder, { recursive: true });
    const before = readdirSync(folder);
    const run = await runCli(home.path, [
      'ask',
      ...settings,
      '--model',
      folder,
      '--json',
      '我要阅读！',
    ]);
    const frame = JSON.parse(run.stdout) as DoneFrame;
    expect(frame).toMatchObject({
      type: 'done',
      text: '{"intent":"scene","name":"reading"}',
      finish_reason: 'stop',
      route: { target: 'edge', reasons: ['explicit'] },
    });
    expect(frame.confidence).toBeGreaterThan(0.9);
    expect(frame.usage.completion_tokens).toBeGreaterThan(3);
    expect(readdirSync(folder)).toEqual(before);
  });

  it('draws the same text for the same seed', async () => {
    const sampled = ['ask', ...settings, '--temperature', '1.5', '--max-tokens', '12', '--seed'];
    const [one, again, other] = await Promise.all(
      ['7', '7', '8'].map((seed) => runCli(home.path, [...sampled, seed, 'tell me a story'])),
    );
    expect(one?.code).toBe(0);
    expect(again?.stdout).toBe(one?.stdout);
    expect(other?.stdout).not.toBe(one?.stdout);
  });

  it('names what is wrong with a model that cannot be had', async () => {
    const missing = await runCli(home.path, ['ask', '--model', join(home.path, 'nowhere'), 'x']);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(/^twowatt: \w+: .*nowhere/);
    const broken = join(home.path, 'broken');
    mkdirSync(broken);
    writeFileSync(join(broken, 'config.json'), '{"model_type":"llama"}');
    const other = await runCli(home.path, ['ask', '--model', broken, 'x']);
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/^twowatt: \w+: .*(llama|ernie4_5)/);
  });

  it('keeps a dialogue in mind', async () => {
    const run = await runCli(home.path, ['chat', ...settings], {
      input: '断开2号线里的加湿器\n冷库同样\nexit\n',
    });
    expect(run.stdout.trim().split('\n')).toEqual([
      '{"intent":"off","device":"humidifier","room":"line_2"}',
      '{"intent":"off","device":"humidifier","room":"cold_storage"}',
    ]);
    expect(run.code).toBe(0);
  });
});
