import { describe, expect, it } from 'vitest';
import {
  HEALTH_CODES,
  type HealthCode,
  type HealthCondition,
} from '../../../src/protocol/index.ts';
import { createHealth, HEALTH_TABLE } from '../../../src/telemetry/index.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';

function setUp() {
  const clock = createVirtualClock();
  const published: HealthCode[][] = [];
  const health = createHealth({
    clock,
    onChange: (list) => published.push(list.map((condition) => condition.code)),
  });
  return { clock, health, published };
}

describe('health', () => {
  it('shows at once what cannot repair itself', () => {
    const { health, published } = setUp();
    health.raise('model_corrupt', { text: 'model.onnx does not match its digest' });
    expect(published).toEqual([['model_corrupt']]);
    expect(health.list()[0]).toMatchObject({
      severity: 'error',
      title: 'The model is damaged',
      text: 'model.onnx does not match its digest',
      depends_on: [],
    });
  });

  it('keeps a short interruption to itself, however often it comes back', async () => {
    const { clock, health, published } = setUp();
    for (let i = 0; i < 5; i++) {
      health.raise('broker_disconnected', { text: 'connection refused' });
      await clock.advance(9000);
      health.clear('broker_disconnected');
      await clock.advance(1000);
    }
    expect(published).toEqual([]);
    expect(clock.pendingTimers()).toBe(0);
  });

  it('shows a lasting one after its grace period, and its end at once', async () => {
    const { clock, health, published } = setUp();
    health.raise('broker_disconnected', { text: 'connection refused' });
    await clock.advance(9999);
    expect(health.list()).toEqual([]);
    await clock.advance(1);
    expect(published).toEqual([['broker_disconnected']]);
    health.clear('broker_disconnected');
    health.clear('broker_disconnected');
    expect(published).toEqual([['broker_disconnected'], []]);
  });

  it('publishes a new text or severity, but not the same again', async () => {
    const { clock, health, published } = setUp();
    health.raise('too_hot', { text: '76 °C' });
    health.raise('too_hot', { text: '77 °C' });
    await clock.advance(2000);
    health.raise('too_hot', { text: '77 °C' });
    expect(published).toHaveLength(1);
    expect(health.list()[0]?.text).toBe('77 °C');
    health.raise('too_hot', { text: '77 °C', severity: 'error' });
    expect(published).toHaveLength(2);
    expect(health.list()[0]?.severity).toBe('error');
  });

  it('lists the worst first', async () => {
    const { clock, health } = setUp();
    health.raise('power_estimated', { text: 'no sensor' });
    health.raise('throttled', { text: 'frequency capped' });
    health.raise('under_voltage', { text: '4.6 V' });
    await clock.advance(2000);
    expect(health.list().map((condition) => condition.code)).toEqual([
      'under_voltage',
      'throttled',
      'power_estimated',
    ]);
    expect(health.list()[1]?.depends_on).toContain('under_voltage');
  });

  it('dates the beginning right after the wall clock was set', async () => {
    const { clock, health } = setUp();
    const began = (): HealthCondition['since'] | undefined => health.list()[0]?.since;
    health.raise('disk_full', { text: 'no space left' });
    await clock.advance(60_000);
    const years = 3 * 365 * 24 * 3600 * 1000;
    clock.jumpWall(years);
    expect(began()).toBe(new Date(clock.wallMs() - 60_000).toISOString());
  });

  it('stops its timers', async () => {
    const { clock, health, published } = setUp();
    health.raise('broker_disconnected', { text: 'gone' });
    health.close();
    await clock.advance(60_000);
    expect(published).toEqual([]);
    expect(clock.pendingTimers()).toBe(0);
  });
});

it('no condition explains itself away, not even over others', () => {
  const explains = (code: HealthCode, seen: readonly HealthCode[]): void => {
    expect(seen).not.toContain(code);
    for (const cause of HEALTH_TABLE[code].dependsOn) explains(cause, [...seen, code]);
  };
  for (const code of HEALTH_CODES) explains(code, []);
  const titles = HEALTH_CODES.map((code) => HEALTH_TABLE[code].title);
  expect(new Set(titles).size).toBe(titles.length);
});
