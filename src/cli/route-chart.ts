import type { CurvePoint } from '../router/index.ts';

const WIDTH = 760;
const HEIGHT = 460;
const FRAME = { left: 70, right: 30, top: 60, bottom: 60 };
/** More points than pixels would only make the file large. */
const POINTS = 400;

/** Quality against cloud share, beside what sending prompts at random would give, as an SVG image. */
export function drawCurve(
  curve: readonly CurvePoint[],
  chosen: { share: number; threshold: number },
): string {
  const last = curve.at(-1) as CurvePoint;
  const first = curve[0] as CurvePoint;
  const qualities = curve.map(({ quality }) => quality);
  const pad = Math.max(0.005, (Math.max(...qualities) - Math.min(...qualities)) * 0.08);
  const low = Math.min(...qualities) - pad;
  const high = Math.max(...qualities) + pad;
  const x = (share: number) => FRAME.left + share * (WIDTH - FRAME.left - FRAME.right);
  const y = (quality: number) =>
    FRAME.top + ((high - quality) / (high - low)) * (HEIGHT - FRAME.top - FRAME.bottom);
  const at = (share: number, quality: number) => `${x(share).toFixed(1)},${y(quality).toFixed(1)}`;
  const every = Math.max(1, Math.ceil(curve.length / POINTS));
  const drawn = curve.filter((_, index) => index % every === 0 || index === curve.length - 1);
  const floor = HEIGHT - FRAME.bottom;
  const ticks = [0, 0.2, 0.4, 0.6, 0.8, 1].map((part) => {
    const quality = low + part * (high - low);
    return (
      `<line x1="${FRAME.left}" x2="${x(1)}" y1="${y(quality).toFixed(1)}" y2="${y(quality).toFixed(1)}" stroke="#ddd"/>` +
      `<text x="${FRAME.left - 8}" y="${(y(quality) + 4).toFixed(1)}" text-anchor="end">${(quality * 100).toFixed(1)} %</text>` +
      `<text x="${x(part)}" y="${floor + 18}" text-anchor="middle">${Math.round(part * 100)} %</text>`
    );
  });
  const mark = curve.findLast(({ share }) => share <= chosen.share + 1e-9) ?? first;
  const textLeft = mark.share > 0.6;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">` +
    `<rect width="100%" height="100%" fill="#fff"/>` +
    `<text x="${FRAME.left}" y="26" font-size="15">Quality against cloud share</text>` +
    `<text x="${FRAME.left}" y="44" fill="#1f6feb">— hardest prompts first</text>` +
    `<text x="${FRAME.left + 160}" y="44" fill="#888">- - at random</text>` +
    ticks.join('') +
    `<text x="${x(0.5)}" y="${HEIGHT - 16}" text-anchor="middle">share of the prompts that go to the cloud</text>` +
    `<polyline fill="none" stroke="#888" stroke-dasharray="5 4" points="${at(0, first.quality)} ${at(1, last.quality)}"/>` +
    `<polyline fill="none" stroke="#1f6feb" stroke-width="2" points="${drawn.map((point) => at(point.share, point.quality)).join(' ')}"/>` +
    `<line x1="${x(mark.share).toFixed(1)}" x2="${x(mark.share).toFixed(1)}" y1="${FRAME.top}" y2="${floor}" stroke="#d1242f" stroke-dasharray="3 3"/>` +
    `<circle cx="${x(mark.share).toFixed(1)}" cy="${y(mark.quality).toFixed(1)}" r="4" fill="#d1242f"/>` +
    `<text x="${(x(mark.share) + (textLeft ? -8 : 8)).toFixed(1)}" y="${floor - 10}" text-anchor="${textLeft ? 'end' : 'start'}" fill="#d1242f">` +
    `${Math.round(chosen.share * 100)} % at threshold ${chosen.threshold}: quality ${(mark.quality * 100).toFixed(1)} %</text>` +
    `</svg>\n`
  );
}
