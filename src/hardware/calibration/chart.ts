import type { Calibration } from './types.ts';

/** A corner of the hull of watts against decoded tokens per second. */
export type HullCorner = { watts: number; tokensPerS: number };

const WIDTH = 860;
const HEIGHT = 480;
const FRAME = { left: 66, right: 30, top: 56, bottom: 52 };
const TICKS = 5;

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Digits that tell neighbouring ticks apart. */
const digitsFor = (most: number): number => (most < 1 ? 2 : most < 20 ? 1 : 0);

/**
 * Watts above idle against decoded tokens per second: every measured point with two standard errors of
 * its watts, and the hull whose corners the governor mixes. An SVG image.
 */
export function drawHull(
  title: string,
  { points }: Pick<Calibration, 'points'>,
  hull: readonly HullCorner[],
): string {
  const mostW = Math.max(...points.map(({ decode }) => decode.watts)) * 1.1;
  const mostRate = Math.max(...points.map(({ decode }) => decode.tokensPerS)) * 1.15;
  const x = (watts: number) => FRAME.left + (watts / mostW) * (WIDTH - FRAME.left - FRAME.right);
  const y = (rate: number) =>
    HEIGHT - FRAME.bottom - (rate / mostRate) * (HEIGHT - FRAME.top - FRAME.bottom);
  const grid = Array.from({ length: TICKS + 1 }, (_, index) => index / TICKS).map((share) => {
    const watts = share * mostW;
    const rate = share * mostRate;
    return (
      `<line x1="${x(0)}" x2="${x(mostW)}" y1="${y(rate)}" y2="${y(rate)}" stroke="#e4e4e4"/>` +
      `<text x="${x(0) - 8}" y="${y(rate) + 4}" text-anchor="end">${rate.toFixed(digitsFor(mostRate))}</text>` +
      `<text x="${x(watts)}" y="${HEIGHT - FRAME.bottom + 18}" text-anchor="middle">${watts.toFixed(digitsFor(mostW))}</text>`
    );
  });
  const line = hull.map(
    ({ watts, tokensPerS }) => `${x(watts).toFixed(1)},${y(tokensPerS).toFixed(1)}`,
  );
  const marks = points.map(({ threads, freqKhz, decode }) => {
    const { watts, noiseW, tokensPerS } = decode;
    const label = freqKhz === null ? `${threads}` : `${threads} × ${(freqKhz / 1e6).toFixed(1)}`;
    return (
      `<line x1="${x(Math.max(0, watts - 2 * noiseW))}" x2="${x(watts + 2 * noiseW)}" y1="${y(tokensPerS)}" y2="${y(tokensPerS)}" stroke="#1f6feb"/>` +
      `<circle cx="${x(watts)}" cy="${y(tokensPerS)}" r="4" fill="#1f6feb"/>` +
      `<text x="${x(watts) + 7}" y="${y(tokensPerS) + 15}" font-size="11" fill="#444">${label}</text>`
    );
  });
  const clocked = points.some(({ freqKhz }) => freqKhz !== null);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">` +
    `<rect width="100%" height="100%" fill="#fff"/>` +
    `<text x="${FRAME.left}" y="24" font-size="15">${escape(title)}</text>` +
    `<text x="${FRAME.left}" y="42" fill="#555">decoding; points: threads${clocked ? ' × GHz' : ''}; line: the best mixes, which the governor uses</text>` +
    grid.join('') +
    `<polyline fill="none" stroke="#1a7f37" stroke-width="1.8" points="${line.join(' ')}"/>` +
    marks.join('') +
    `<text x="${x(mostW / 2)}" y="${HEIGHT - 12}" text-anchor="middle">watts above idle</text>` +
    `<text x="16" y="${y(mostRate / 2)}" text-anchor="middle" transform="rotate(-90 16 ${y(mostRate / 2)})">tokens/s</text>` +
    `</svg>\n`
  );
}
