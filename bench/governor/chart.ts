import { budgetSeries, type Recording } from '../../src/hardware/sim/index.ts';

type Line = { name: string; colour: string; values: (number | null)[]; dashed?: boolean };

const WIDTH = 960;
const PANEL = { height: 190, gap: 46, left: 56, right: 150 };
/** More points than pixels would only make the file large. */
const POINTS = 600;

/** Means of neighbouring values, so that the line has at most `POINTS` points. */
function thin(values: readonly (number | null)[]): (number | null)[] {
  const per = Math.max(1, Math.ceil(values.length / POINTS));
  return Array.from({ length: Math.ceil(values.length / per) }, (_, index) => {
    const known = values
      .slice(index * per, (index + 1) * per)
      .filter((value): value is number => value !== null);
    return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
  });
}

function panel(title: string, unit: string, lines: Line[], top: number, durationS: number): string {
  const thinned = lines.map((line) => ({ ...line, values: thin(line.values) }));
  const most = Math.max(
    1e-6,
    ...thinned.flatMap(({ values }) => values.map((value) => value ?? 0)),
  );
  const x = (share: number) => PANEL.left + share * (WIDTH - PANEL.left - PANEL.right);
  const y = (value: number) => top + PANEL.height * (1 - value / (most * 1.08));
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = y(share * most);
    return (
      `<line x1="${PANEL.left}" x2="${x(1)}" y1="${at}" y2="${at}" stroke="#ddd"/>` +
      `<text x="${PANEL.left - 6}" y="${at + 4}" text-anchor="end">${(share * most).toFixed(1)}</text>` +
      `<text x="${x(share)}" y="${top + PANEL.height + 15}" text-anchor="middle">${Math.round(share * durationS)} s</text>`
    );
  });
  const drawn = thinned.map(({ name, colour, values, dashed }, index) => {
    const points = values
      .map((value, at) =>
        value === null
          ? ''
          : `${x(at / Math.max(1, values.length - 1)).toFixed(1)},${y(value).toFixed(1)}`,
      )
      .filter((point) => point !== '');
    return (
      `<polyline fill="none" stroke="${colour}" stroke-width="1.4"${dashed === true ? ' stroke-dasharray="5 3"' : ''} points="${points.join(' ')}"/>` +
      `<text x="${x(1) + 10}" y="${top + 14 + index * 16}" fill="${colour}">${name}</text>`
    );
  });
  return `<text x="${PANEL.left}" y="${top - 8}" font-weight="bold">${title} (${unit})</text>${ticks.join('')}${drawn.join('')}`;
}

/** Power (true, sensed, budget), temperature and tokens per second over a run, as an SVG image. */
export function drawRun(recording: Recording): string {
  const { scenario, parameters, joules, gridMs, steps } = recording;
  const perSecond = Math.round(1000 / gridMs);
  const durationS = ((joules.length - 1) * gridMs) / 1000;
  const meanW = joules.map((sum, index) =>
    index < perSecond ? null : sum - (joules[index - perSecond] ?? 0),
  );
  const tokens = Array.from({ length: Math.ceil(durationS) }, () => 0);
  for (const { phase, endMs } of steps) {
    const second = Math.floor(endMs / 1000);
    if (phase === 'decode' && second < tokens.length) tokens[second] = (tokens[second] ?? 0) + 1;
  }
  const limitC = scenario.temperature_limit_c ?? parameters.limitC;
  const panels: [string, string, Line[]][] = [
    [
      'Power above idle, mean of 1 s',
      'W',
      [
        { name: 'sensed', colour: '#bbb', values: recording.sensedW },
        { name: 'true', colour: '#1f6feb', values: meanW },
        { name: 'budget', colour: '#d1242f', values: budgetSeries(recording), dashed: true },
      ],
    ],
    [
      'Temperature of the SoC',
      '°C',
      [
        { name: 'true', colour: '#bc4c00', values: recording.socC },
        { name: 'limit', colour: '#d1242f', values: joules.map(() => limitC), dashed: true },
      ],
    ],
    ['Decoded tokens', '1/s', [{ name: 'tokens/s', colour: '#1a7f37', values: tokens }]],
  ];
  const step = PANEL.height + PANEL.gap;
  const height = 60 + panels.length * step;
  const body = panels.map(([title, unit, lines], index) =>
    panel(title, unit, lines, 60 + index * step, durationS),
  );
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">` +
    `<rect width="100%" height="100%" fill="#fff"/>` +
    `<text x="${PANEL.left}" y="24" font-size="15">${parameters.title} (simulated): ${scenario.title}</text>` +
    `${body.join('')}</svg>\n`
  );
}
