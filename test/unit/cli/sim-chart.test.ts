import { DOMParser, type Element } from '@xmldom/xmldom';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createGovernorPacer } from '../../../src/cli/governor-pacer.ts';
import { displayWidth } from '../../../src/cli/terminal.ts';
import { drawRun } from '../../../src/cli/sim-chart.ts';
import {
  baselines,
  boardParameters,
  calibratedPoints,
  type PacerFactory,
  parseScenario,
  runClosedLoop,
} from '../../../src/hardware/sim/index.ts';

const CHARTS = resolve(import.meta.dirname, '../../../docs/charts');
const POWER = 'Power above idle, mean of 1 s';
const TEMPERATURE = 'Temperature of the SoC';
const TOKENS = 'Answer tokens per second, mean of 5 s';

function run(fields: object = {}, factory: PacerFactory = createGovernorPacer) {
  const parameters = boardParameters('raspberry-pi-5');
  const scenario = parseScenario('test', {
    title: 'Test',
    duration_s: 40,
    budget_w: [
      [0, 2],
      [20, 1],
    ],
    load: { kind: 'steady', prompt_tokens: 16, answer_tokens: 64 },
    ...fields,
  });
  return runClosedLoop(scenario, parameters, calibratedPoints(parameters), factory);
}

const attribute = (element: Element, name: string) => Number(element.getAttribute(name));

/** The picture as a program sees it; anything that is not well-formed XML fails. */
function read(svg: string) {
  const document = new DOMParser({
    onError: (level, message) => {
      throw new Error(`${level}: ${message}`);
    },
  }).parseFromString(svg, 'image/svg+xml');
  const all = (name: string, of: Element) => [...of.getElementsByTagName(name)];
  const root = document.documentElement;
  if (root === null) throw new Error('an empty picture');
  const [x = NaN, y = NaN, width = NaN, height = NaN] = (root.getAttribute('viewBox') ?? '')
    .split(' ')
    .map(Number);
  const panels = all('g', root).filter((group) => group.hasAttribute('data-panel'));
  const series = panels.flatMap((panel) =>
    all('g', panel)
      .filter((group) => group.hasAttribute('data-series'))
      .map((group) => ({
        panel: panel.getAttribute('data-panel'),
        name: group.getAttribute('data-series'),
        stroke: `${group.getAttribute('stroke')} ${group.getAttribute('stroke-dasharray')}`,
        lines: all('polyline', group).map((line) =>
          (line.getAttribute('points') ?? '').split(' ').map((pair) => pair.split(',').map(Number)),
        ),
      })),
  );
  const texts = all('text', root).map((element) => ({
    text: element.textContent ?? '',
    x: attribute(element, 'x'),
    y: attribute(element, 'y'),
    size: attribute(element, 'font-size'),
    anchor: element.getAttribute('text-anchor') ?? 'start',
  }));
  return { box: { x, y, width, height }, root, series, texts };
}

type Picture = ReturnType<typeof read>;

const linesOf = ({ series }: Picture, panel: string, name: string) =>
  series.find((one) => one.panel === panel && one.name === name)?.lines ?? [];

/** Left and right end of a text; no font of the picture is wider than this on the whole. */
function extent({ text, x, size, anchor }: Picture['texts'][number]) {
  const width = displayWidth(text) * size * 0.56;
  const left = anchor === 'end' ? x - width : anchor === 'middle' ? x - width / 2 : x;
  return { left, right: left + width };
}

/** What holds for every picture. */
function expectGoodPicture(svg: string): Picture {
  const picture = read(svg);
  const { box, series, texts, root } = picture;
  expect(root.getAttribute('width')).toBe(String(box.width));
  expect(root.getAttribute('height')).toBe(String(box.height));
  expect(series.length).toBeGreaterThan(0);
  for (const { lines, name } of series) {
    expect(lines.length, `${name} is drawn`).toBeGreaterThan(0);
    for (const [x = NaN, y = NaN] of lines.flat()) {
      expect(x).toBeGreaterThanOrEqual(0);
      expect(x).toBeLessThanOrEqual(box.width);
      expect(y).toBeGreaterThanOrEqual(0);
      expect(y).toBeLessThanOrEqual(box.height);
    }
  }
  for (const text of texts) {
    const { left, right } = extent(text);
    expect(left, text.text).toBeGreaterThanOrEqual(0);
    expect(right, text.text).toBeLessThanOrEqual(box.width);
    expect(text.y).toBeLessThan(box.height);
    for (const other of texts) {
      if (other === text || Math.abs(other.y - text.y) >= text.size * 0.8) continue;
      const apart = extent(other).left >= right || extent(other).right <= left;
      expect(apart, `"${text.text}" and "${other.text}" lie on each other`).toBe(true);
    }
  }
  return picture;
}

describe('the chart of a run', () => {
  const recording = run();
  const picture = expectGoodPicture(drawRun(recording));

  it('shows power, temperature and tokens per second with their limits', () => {
    expect(picture.series.map(({ panel, name }) => [panel, name])).toEqual([
      [POWER, 'as the sensor says'],
      [POWER, 'true'],
      [POWER, 'budget'],
      [TEMPERATURE, 'true'],
      [TEMPERATURE, 'limit'],
      [TOKENS, 'tokens/s'],
    ]);
    const words = picture.texts.map(({ text }) => text);
    expect(words).toContain('Test: Raspberry Pi 5 and Pi 500');
    expect(words).toContain(`${POWER} (W)`);
    expect(words).toContain('time (s)');
    expect(words.some((text) => text.includes('not measured on hardware'))).toBe(true);
  });

  it('draws values where the axis says that they are', () => {
    const tick = (text: string) => picture.texts.find((one) => one.text === text)!.y - 4;
    const budget = linesOf(picture, POWER, 'budget')[0] ?? [];
    // 2 W for the first half, then 1 W; the first panel's marks come first.
    expect(budget[0]?.[1]).toBeCloseTo(tick('2.0'), 0);
    expect(budget.at(-1)?.[1]).toBeCloseTo(tick('1.0'), 0);
    const [first = [], last = []] = [budget[0], budget.at(-1)];
    const fall = budget.findIndex(([, y]) => y !== first[1]);
    expect(budget[fall]?.[0]).toBeCloseTo(((first[0] ?? 0) + (last[0] ?? 0)) / 2, -1);
  });

  it('tells every line of a panel from the others, also without colour', () => {
    for (const panel of [POWER, TEMPERATURE, TOKENS]) {
      const strokes = picture.series.filter((one) => one.panel === panel).map((one) => one.stroke);
      expect(new Set(strokes).size).toBe(strokes.length);
    }
  });

  it('shows the baselines beside the governor', () => {
    const others = Object.fromEntries(
      Object.entries(baselines).map(([name, factory]) => [name, run({}, factory)]),
    );
    const compared = expectGoodPicture(drawRun(recording, others));
    const names = ['no governor', 'powersave', 'fixed duty', 'bang-bang', 'governor'];
    for (const [panel, more] of [
      [POWER, ['budget']],
      [TEMPERATURE, ['limit']],
      [TOKENS, []],
    ] as const) {
      const there = compared.series.filter((one) => one.panel === panel);
      expect(there.map(({ name }) => name)).toEqual([...names, ...more]);
      expect(new Set(there.map(({ stroke }) => stroke)).size).toBe(there.length);
    }
  });

  it('has a gap where the sensor was lost, and no line without a sensor', () => {
    const lost = expectGoodPicture(
      drawRun(run({ sensor_faults: [{ from_s: 10, to_s: 20, kind: 'lost' }] })),
    );
    const lines = linesOf(lost, POWER, 'as the sensor says');
    expect(lines).toHaveLength(2);
    const gap = (lines[1]?.[0]?.[0] ?? 0) - (lines[0]?.at(-1)?.[0] ?? 0);
    // A quarter of the plot's 800.
    expect(gap).toBeGreaterThan(180);
    expect(gap).toBeLessThan(220);
    const blind = read(drawRun(run({ power_sensor: false })));
    expect(linesOf(blind, POWER, 'as the sensor says')).toEqual([]);
  });

  it('keeps its scale when the sensor says something absurd', () => {
    const absurd = expectGoodPicture(
      drawRun(run({ sensor_faults: [{ from_s: 10, to_s: 20, kind: 'absurd' }] })),
    );
    const ys = linesOf(absurd, POWER, 'true')
      .flat()
      .map(([, y = NaN]) => y);
    expect(Math.max(...ys) - Math.min(...ys)).toBeGreaterThan(30);
  });

  it('cuts a title that is too long, and keeps it whole for those who hear it', () => {
    const title = '很长的标题 and more '.repeat(20);
    const long = expectGoodPicture(drawRun(run({ title, duration_s: 10 })));
    expect(long.texts[0]?.text).toMatch(/^很长的标题.*…$/);
    expect(long.root.getElementsByTagName('title')[0]?.textContent).toContain(title);
  });

  it('can show a run in which nothing happens', () => {
    const idle = run({ load: { kind: 'trace', requests: [] }, duration_s: 20 });
    expectGoodPicture(drawRun(idle));
  });
});

describe('the charts in docs/', () => {
  const files = readdirSync(CHARTS).filter((name) => name.endsWith('.svg'));

  it('are good pictures, small, and shown in docs/energy.md', () => {
    const energy = readFileSync(join(CHARTS, '../energy.md'), 'utf8');
    expect(files.length).toBeGreaterThanOrEqual(2);
    for (const file of files) {
      const svg = readFileSync(join(CHARTS, file), 'utf8');
      expectGoodPicture(svg);
      expect(Buffer.byteLength(svg)).toBeLessThan(150_000);
      expect(energy).toContain(`(charts/${file})`);
    }
  });
});
