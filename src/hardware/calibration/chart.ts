import type { Calibration } from './types.ts';

/** A corner of the hull of watts against decoded tokens per second. */
export type HullCorner = { watts: number; tokensPerS: number };

const WIDTH = 860;
const HEIGHT = 480;
const FRAME = { left: 66, right: 130, top: 60, bottom: 52 };
const COLOURS = [
  '#1f6feb',
  '#bc4c00',
  '#8250df',
  '#1a7f37',
  '#bf3989',
  '#57606a',
  '#9a6700',
  '#0a7b83',
];
const LABEL = { width: 30, height: 12 };

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Round values from 0 to beyond `most`, about five of them. */
function ticksTo(most: number): number[] {
  const raw = most / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10) * power;
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(6)));
}

/** Takes a label only where no earlier one stands. */
function createLabels() {
  const taken: { x: number; y: number }[] = [];
  return (x: number, y: number, text: string): string => {
    const clash = taken.some(
      (other) => Math.abs(other.x - x) < LABEL.width && Math.abs(other.y - y) < LABEL.height,
    );
    if (clash) return '';
    taken.push({ x, y });
    return `<text x="${x}" y="${y}" font-size="11" fill="#444">${text}</text>`;
  };
}

/**
 * Watts above idle against decoded tokens per second: every measured point with two standard errors of
 * its watts, and the hull whose corners the governor mixes. An SVG image.
 */
export function drawHull(
  title: string,
  { points }: Pick<Calibration, 'points'>,
  hull: readonly HullCorner[],
): string {
  const wattTicks = ticksTo(Math.max(...points.map(({ decode }) => decode.watts)) * 1.02);
  const rateTicks = ticksTo(Math.max(...points.map(({ decode }) => decode.tokensPerS)) * 1.02);
  const mostW = wattTicks.at(-1) ?? 1;
  const mostRate = rateTicks.at(-1) ?? 1;
  const x = (watts: number) => FRAME.left + (watts / mostW) * (WIDTH - FRAME.left - FRAME.right);
  const y = (rate: number) =>
    HEIGHT - FRAME.bottom - (rate / mostRate) * (HEIGHT - FRAME.top - FRAME.bottom);
  const grid = [
    ...rateTicks.map(
      (rate) =>
        `<line x1="${x(0)}" x2="${x(mostW)}" y1="${y(rate)}" y2="${y(rate)}" stroke="#e4e4e4"/>` +
        `<text x="${x(0) - 8}" y="${y(rate) + 4}" text-anchor="end">${rate}</text>`,
    ),
    ...wattTicks.map(
      (watts) =>
        `<text x="${x(watts)}" y="${HEIGHT - FRAME.bottom + 18}" text-anchor="middle">${watts}</text>`,
    ),
  ];
  const line = hull
    .map(({ watts, tokensPerS }) => `${x(watts).toFixed(1)},${y(tokensPerS).toFixed(1)}`)
    .join(' ');
  const groups = [...new Set(points.map(({ threads }) => threads))];
  const colourOf = (threads: number) => COLOURS[groups.indexOf(threads) % COLOURS.length];
  const label = createLabels();
  const marks = points.map(({ threads, freqKhz, decode }) => {
    const { watts, noiseW, tokensPerS } = decode;
    const colour = colourOf(threads);
    const clock = freqKhz === null ? '' : (freqKhz / 1e6).toFixed(1);
    return (
      `<line x1="${x(Math.max(0, watts - 2 * noiseW))}" x2="${x(watts + 2 * noiseW)}" y1="${y(tokensPerS)}" y2="${y(tokensPerS)}" stroke="${colour}"/>` +
      `<circle cx="${x(watts)}" cy="${y(tokensPerS)}" r="4" fill="${colour}"/>` +
      (clock === '' ? '' : label(x(watts) + 5, y(tokensPerS) + 15, clock))
    );
  });
  const legend = groups.map((threads, index) => {
    const top = FRAME.top + 10 + index * 18;
    const name = threads === 1 ? '1 thread' : `${threads} threads`;
    return (
      `<circle cx="${x(mostW) + 22}" cy="${top}" r="4" fill="${colourOf(threads)}"/>` +
      `<text x="${x(mostW) + 32}" y="${top + 4}">${name}</text>`
    );
  });
  const clocked = points.some(({ freqKhz }) => freqKhz !== null);
  const about = `decoding; line: the best mixes, which the governor uses${clocked ? '; small figures: GHz' : ''}`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">` +
    `<rect width="100%" height="100%" fill="#fff"/>` +
    `<text x="${FRAME.left}" y="24" font-size="15">${escape(title)}</text>` +
    `<text x="${FRAME.left}" y="42" fill="#555">${about}</text>` +
    grid.join('') +
    `<polyline fill="none" stroke="#888" stroke-width="1.6" points="${line}"/>` +
    marks.join('') +
    legend.join('') +
    `<text x="${x(mostW / 2)}" y="${HEIGHT - 12}" text-anchor="middle">watts above idle</text>` +
    `<text x="16" y="${y(mostRate / 2)}" text-anchor="middle" transform="rotate(-90 16 ${y(mostRate / 2)})">tokens/s</text>` +
    `</svg>\n`
  );
}
