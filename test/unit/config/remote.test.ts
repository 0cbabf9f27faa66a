import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  applyLive,
  loadConfig,
  type LoadOptions,
  planChanges,
  saveOverlay,
  settings,
} from '../../../src/config/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'twowatt-remote-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const overlayPath = () => join(folder, 'state', 'remote-config.json');
const load = (options: Partial<LoadOptions> = {}) =>
  loadConfig({
    env: {},
    homeFolder: folder,
    searchFiles: [],
    overlayPath: overlayPath(),
    ...options,
  });

describe('config.set', () => {
  it('tells what takes effect at once and what after a restart, and survives one', () => {
    const before = load();
    const plan = planChanges(before, { 'governor.budget_w': 1.5, 'model.slots': 2 });
    expect(plan).toMatchObject({
      applied: ['governor.budget_w'],
      restart: ['model.slots'],
      refused: [],
    });

    const running = applyLive(before, plan);
    expect(running.values.governor.budget_w).toBe(1.5);
    expect(running.values.model.slots).toBe(1);
    expect(running.origins['governor.budget_w'].source).toBe('remote');
    expect(before.values.governor.budget_w).toBe(2);

    saveOverlay(overlayPath(), plan.overlay);
    const second = planChanges(running, { 'log.level': 'warn' });
    saveOverlay(overlayPath(), second.overlay);
    const after = load();
    expect(after.values).toMatchObject({
      governor: { budget_w: 1.5 },
      model: { slots: 2 },
      log: { level: 'warn' },
    });
    expect(readdirSync(join(folder, 'state'))).toEqual(['remote-config.json']);
  });

  it('never touches cloud, mqtt, http, hardware or a path to a secret', () => {
    const guarded = [...settings.keys()].filter(
      (key) => /^(cloud|mqtt|http|hardware)\./.test(key) || key.endsWith('_file'),
    );
    expect(guarded.length).toBeGreaterThan(20);
    for (const key of guarded) {
      const plan = planChanges(load(), { [key]: settings.get(key)?.default });
      expect(plan.refused).toEqual([{ key, reason: 'can only be changed on the board' }]);
      expect(plan.overlay).toEqual({});
    }
  });

  it.each([
    [{ 'router.privacy_default': 'any' }, /loosened from redact to any/],
    [{ 'router.policy': 'cloud' }, /off the board/],
    [{ 'router.shadow_share': 0.1 }, /off the board/],
    [{ 'log.prompts': true }, /on the board itself/],
    [{ 'governor.budget_w': 'much' }, /expected a number/],
    [{ 'governor.budjet_w': 1 }, /did you mean governor.budget_w/],
    [{ 'governor.budget_w': null }, /expected a number/],
    [{ 'queue.max_payload_bytes': 16_000_000 }, /queue.max_bytes/],
  ])('refuses %j', (patch, reason) => {
    const plan = planChanges(load(), patch);
    expect(plan.refused).toHaveLength(1);
    expect(plan.refused[0]?.reason).toMatch(reason);
    expect([...plan.applied, ...plan.restart]).toEqual([]);
  });

  it('lets privacy become stricter, and then not back', () => {
    const plan = planChanges(load(), { 'router.privacy_default': 'local' });
    expect(plan.applied).toEqual(['router.privacy_default']);
    const strict = applyLive(load(), plan);
    const back = planChanges(strict, { 'router.privacy_default': 'redact' });
    expect(back.refused[0]?.reason).toContain('loosened from local to redact');
  });

  it('keeps every label of a topic at least as strict', () => {
    const topics = [{ topic: 'home/#', privacy: 'local' }];
    const current = load({ set: [`router.privacy_topics=${JSON.stringify(topics)}`] });
    // A flag outranks MQTT, so the label is given by file for this one.
    current.origins['router.privacy_topics'].source = 'file';
    const set = (wanted: unknown) => planChanges(current, { 'router.privacy_topics': wanted });
    expect(set([]).refused[0]?.reason).toContain('home/#');
    expect(set([{ topic: 'home/#', privacy: 'redact' }]).refused).toHaveLength(1);
    expect(set([...topics, { topic: 'x', privacy: 'any' }]).applied).toHaveLength(1);
  });

  it('refuses what a stronger source fixes, since it would have no effect', () => {
    const current = load({ env: { TWOWATT_LOG__LEVEL: 'warn' } });
    const plan = planChanges(current, { 'log.level': 'debug', 'telemetry.interval_s': 5 });
    expect(plan.refused[0]?.reason).toContain('environment TWOWATT_LOG__LEVEL');
    expect(plan.applied).toEqual(['telemetry.interval_s']);
  });

  it('judges settings that belong together as one', () => {
    const patch = { 'queue.max_payload_bytes': 16_000_000, 'queue.max_bytes': 32_000_000 };
    expect(planChanges(load(), patch).restart).toHaveLength(2);
  });

  // It used to cost a second of the event loop: the distance to every key, for each of its characters.
  it('does not look for what an endless name may have meant', () => {
    const name = 'governor.budget'.repeat(4000);
    expect(planChanges(load(), { [name]: 1 }).refused).toEqual([
      { key: name, reason: 'no such setting' },
    ]);
  });
});
