import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyLive, loadConfig, planChanges, planReload } from '../../../src/config/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'twowatt-reload-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function load(file: object, set: string[] = []) {
  const path = join(folder, 'config.json');
  writeFileSync(path, JSON.stringify(file));
  return loadConfig({ file: path, set, env: {}, homeFolder: folder, overlayPath: null });
}

describe('a configuration that is read anew', () => {
  it('changes what can change live and names what needs a restart, again and again', () => {
    const running = load({ governor: { budget_w: 2 }, mqtt: { keepalive_s: 60 } });
    const next = load({ governor: { budget_w: 3 }, mqtt: { keepalive_s: 90 } });
    const { change, config } = planReload(running, next);
    expect(change).toEqual({ applied: ['governor.budget_w'], restart: ['mqtt.keepalive_s'] });
    expect(config.values.governor.budget_w).toBe(3);
    expect(config.values.mqtt.keepalive_s).toBe(60);

    const again = planReload(config, next);
    expect(again.change).toEqual({ applied: [], restart: ['mqtt.keepalive_s'] });
    const back = planReload(config, load({ governor: { budget_w: 3 } }));
    expect(back.change).toEqual({ applied: [], restart: [] });
  });

  it('takes back what the file no longer says', () => {
    const running = load({ telemetry: { interval_s: 5 } });
    const { change, config } = planReload(running, load({}));
    expect(change.applied).toEqual(['telemetry.interval_s']);
    expect(config.values.telemetry.interval_s).toBe(30);
    expect(config.origins['telemetry.interval_s'].source).toBe('default');
  });

  it('leaves flags the last word, as at the start', () => {
    const flags = ['governor.budget_w=4'];
    const { change } = planReload(load({}, flags), load({ governor: { budget_w: 1 } }, flags));
    expect(change).toEqual({ applied: [], restart: [] });
  });

  it('answers as config.set does for the same keys', () => {
    const running = load({});
    const wanted = { 'log.level': 'warn', 'model.slots': 2, 'telemetry.interval_s': 9 };
    const set = planChanges(running, wanted);
    const { change, config } = planReload(
      running,
      load({ log: { level: 'warn' }, model: { slots: 2 }, telemetry: { interval_s: 9 } }),
    );
    expect(change.applied.toSorted()).toEqual(set.applied.toSorted());
    expect(change.restart).toEqual(set.restart);
    expect(config.values).toEqual(applyLive(running, set).values);
  });

  it('does not let a new live value meet an old one that it does not go with', () => {
    const dear = { name: 'dear', base_url: 'http://127.0.0.1:9/v1', model: 'm', price_in: 1 };
    const running = load({ cloud: { endpoints: [{ ...dear, currency: 'EUR' }] } });
    const next = load({ cloud: { endpoints: [dear], budget_per_day: 1 } });
    const { change, config } = planReload(running, next);
    expect(change.applied).toEqual([]);
    expect(change.restart).toContain('cloud.endpoints');
    expect(config.values.cloud.budget_per_day).toBe(0);
  });
});
