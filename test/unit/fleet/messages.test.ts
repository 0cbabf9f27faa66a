import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  readHealth,
  readInfo,
  readState,
  readTelemetry,
} from '../../../src/fleet/server/messages.ts';
import { sampleValues } from '../../../src/fleet/store/index.ts';
import { boardColumns, SERIES_FIELD_NAMES } from '../../../src/protocol/fleet/index.ts';
import { telemetryExample } from '../../fixtures/telemetry.ts';

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

describe('messages of boards', () => {
  it('keeps every field of honest telemetry', () => {
    const honest = telemetryExample();
    expect(readTelemetry(bytes(honest))).toEqual(honest);
  });

  it('makes of any JSON something that row, sample and sums can be made of', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (whole, part) => {
        for (const message of [
          whole,
          { power: part, thermal: part, system: { cpu_pct: part }, router: { by_reason: part } },
        ]) {
          const telemetry = readTelemetry(bytes(message));
          const health = readHealth(bytes(message)) ?? [];
          const info = readInfo(bytes(message)) ?? null;
          readState(bytes(message));
          if (telemetry === undefined) continue;
          const row = boardColumns({
            node: 'b',
            status: 'online',
            status_since_ms: 0,
            seen_ms: null,
            telemetry_ms: null,
            clock_skew_ms: null,
            state: null,
            info,
            health,
            telemetry,
          });
          expect(['number', 'object']).toContain(typeof row.watts);
          for (const value of sampleValues(telemetry))
            expect(value === null || Number.isFinite(value)).toBe(true);
        }
      }),
    );
  });

  it('passes over what is no JSON, too long, or of another kind', () => {
    expect(readTelemetry(Buffer.from('not json'))).toBeUndefined();
    expect(readTelemetry(Buffer.alloc(0))).toBeUndefined();
    expect(readTelemetry(bytes({ x: 'y'.repeat(70_000) }))).toBeUndefined();
    expect(readState(bytes({ state: 'asleep' }))).toBeUndefined();
    expect(readHealth(bytes({}))).toBeUndefined();
    expect(readHealth(bytes([{ code: 'too_hot' }, 7]))).toMatchObject([
      { code: 'too_hot', severity: 'warning' },
    ]);
  });

  it('has a value for each field with a history', () => {
    const values = sampleValues({
      ...telemetryExample(),
      thermal: { ...telemetryExample().thermal, throttled: ['x'] },
    });
    const of = (name: (typeof SERIES_FIELD_NAMES)[number]) =>
      values[SERIES_FIELD_NAMES.indexOf(name)];
    expect(of('power.board_w')).toBe(4.25);
    expect(of('thermal.throttled')).toBe(1);
    expect(of('thermal.under_voltage')).toBe(0);
    expect(values).toHaveLength(SERIES_FIELD_NAMES.length);
  });
});
