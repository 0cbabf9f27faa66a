import { describe, expect, it } from 'vitest';
import { displayWidth } from '../../../src/cli/terminal.ts';
import { after, type Decision, emptyLook, type Look } from '../../../src/cli/top/look.ts';
import { paintLine, sparkline, view } from '../../../src/cli/top/view.ts';
import { telemetryExample } from '../../fixtures/telemetry.ts';

const plain = (_format: unknown, text: string) => text;
const draw = (look: Look, columns = 100, rows = 40) =>
  view(look, { columns, rows }).map((line) => paintLine(line, columns, plain));

const decision: Decision = {
  id: 'a',
  target: 'edge',
  reasons: ['low_difficulty'],
  escalated: false,
  confidence: 0.93,
  joules: 1.25,
  totalMs: 2100,
  error: null,
};

function busyBoard(): Look {
  let look = emptyLook('http://127.0.0.1:8470');
  look = after(look, { type: 'state', data: { state: 'online' } });
  look = after(look, { type: 'telemetry', data: telemetryExample() });
  look = after(look, {
    type: 'health',
    data: [
      {
        code: 'under_voltage',
        severity: 'error',
        title: 'The supply voltage is too low',
        text: '4.6 V 电压过低',
        since: '2026-01-01T00:00:00.000Z',
        depends_on: [],
      },
    ],
  });
  for (let i = 0; i < 40; i += 1) {
    look = after(look, { type: 'decision', data: { ...decision, id: String(i) } });
  }
  return look;
}

describe('the live view of a board', () => {
  it('shows power against budget, heat, speed, queue, health and how the last prompts went', () => {
    const text = draw(busyBoard()).join('\n');
    for (const piece of [
      'pi online · raspberry-pi-5 · up 60 s',
      '1.25 W of 2.00 W above idle measured',
      '51.5 °C of 80 °C',
      '6.5 tok/s · 0.200 J/token',
      'pacing, duty 50 %, 2 threads at 1.80 GHz',
      'busy · fake · 1/1 slots',
      '2 waiting (oldest 2 s)',
      '7 edge · 0 cloud · 0 escalated',
      'under_voltage 4.6 V 电压过低',
      'low_difficulty',
      'sure 0.93 · 1.25 J · 2.1 s',
    ]) {
      expect(text).toContain(piece);
    }
  });

  it('says what is missing instead of a number', () => {
    const telemetry = telemetryExample();
    telemetry.power.watts = null;
    telemetry.power.reason = 'no power sensor';
    telemetry.thermal.soc_c = null;
    const text = draw(after(emptyLook('x'), { type: 'telemetry', data: telemetry })).join('\n');
    expect(text).toContain('– W of 2.00 W above idle no power sensor');
    expect(text).toContain('– °C of 80 °C');
  });

  it.each([
    [20, 8],
    [40, 10],
    [41, 24],
    [80, 24],
    [200, 60],
    [1, 1],
  ])('fits a terminal of %i columns and %i rows', (columns, rows) => {
    const lines = draw(busyBoard(), columns, rows);
    expect(lines.length).toBeLessThanOrEqual(rows);
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
  });

  it('gives the rows that a low terminal lacks up at the least important end', () => {
    const low = draw(busyBoard(), 100, 16).join('\n');
    expect(low).toContain('under_voltage');
    const shown = low.match(/low_difficulty/g)?.length ?? 0;
    expect(shown).toBeLessThan(
      draw(busyBoard(), 100, 40)
        .join('\n')
        .match(/low_difficulty/g)?.length ?? 0,
    );
  });

  it('tells that the connection is lost, and keeps the last figures', () => {
    const lost = after(busyBoard(), {
      type: 'connection',
      data: { connected: false, problem: 'the broker is away' },
    });
    const text = draw(lost).join('\n');
    expect(text).toContain('the broker is away; trying again');
    expect(text).toContain('1.25 W');
  });

  it('does not go back to what a board sends late', () => {
    const late = { ...telemetryExample(), ts: '2026-05-01T11:00:00.000Z', late: true, uptime_s: 1 };
    const look = after(busyBoard(), { type: 'telemetry', data: late });
    expect(look.telemetry?.uptime_s).toBe(60);
  });

  it('draws history with holes where nothing was known', () => {
    expect(sparkline([0, null, 1, 2], 10)).toBe('▁ ▅█');
    expect(sparkline([1, 2, 3, 4], 2)).toBe('▆█');
    expect(sparkline([], 5)).toBe('');
  });
});
