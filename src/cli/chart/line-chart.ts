import { displayWidth } from '../terminal.ts';
import { type Axis, timeAxis, valueAxis } from './axis.ts';
import { type Course, linesOf } from './course.ts';

export type Stroke = { colour: string; width: number; dashes?: string };

export type Series = { name: string; course: Course; stroke: Stroke };

export type Panel = {
  title: string;
  unit: string;
  series: readonly Series[];
  /** False: the axis may begin above zero. */
  fromZero: boolean;
  /** False where the heading says it all. */
  legend: boolean;
};

export type Chart = {
  title: string;
  subtitle: string;
  /** What the picture shows, for those who cannot see it. */
  description: string;
  durationS: number;
  panels: readonly Panel[];
};

/** CSS pixels; at 96 per inch the picture is 23 cm wide, and legible when it is printed on 17. */
const WIDTH = 880;
const PLOT = { left: 58, right: WIDTH - 22, height: 170 };
const HEAD = 66;
const FOOT = 44;
const ROW = 18;
const PANEL_GAP = 20;
/** More points than the plot has pixels only make the file large. */
const MOST_POINTS = 800;
const SAMPLE = { width: 28, gap: 6, after: 18 };
const HEADROOM = 0.02;
const INK = '#222';
const GRID = '#dcdcdc';
const FONT = "'DejaVu Sans', Verdana, Arial, sans-serif";

/** Width of a text at `size`, by the widest of the fonts above: about 0.6 em a column. */
const textWidth = (text: string, size: number): number => displayWidth(text) * size * 0.6;

/** As much of a text as there is room for. */
function fitting(text: string, size: number): string {
  const room = PLOT.right - PLOT.left;
  if (textWidth(text, size) <= room) return text;
  let kept = '';
  for (const character of text) {
    if (textWidth(`${kept}${character}…`, size) > room) break;
    kept += character;
  }
  return `${kept}…`;
}

/** Text for XML 1.0, which has no place for most control characters and half surrogates. */
const escapeXml = (text: string): string =>
  text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\uFFFE\uFFFF]/gu, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');

const place = (value: number): string => String(Math.round(value * 10) / 10);

function label(
  content: string,
  x: number,
  y: number,
  { size = 12, anchor = 'start', bold = false, fill = INK } = {},
): string {
  return (
    `<text x="${place(x)}" y="${place(y)}" font-size="${size}" fill="${fill}"` +
    `${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}${bold ? ' font-weight="bold"' : ''}>` +
    `${escapeXml(content)}</text>`
  );
}

const strokeOf = ({ colour, width, dashes }: Stroke): string =>
  `stroke="${colour}" stroke-width="${width}"${dashes === undefined ? '' : ` stroke-dasharray="${dashes}"`}`;

type LegendEntry = { series: Series; x: number; row: number };

/** Legend beside the heading where there is room, else in rows of its own beneath. */
function layLegend(panel: Panel): { entries: LegendEntry[]; rows: number } {
  if (!panel.legend) return { entries: [], rows: 0 };
  const widthOf = ({ name }: Series) =>
    SAMPLE.width + SAMPLE.gap + textWidth(name, 12) + SAMPLE.after;
  const whole = panel.series.reduce((sum, series) => sum + widthOf(series), -SAMPLE.after);
  const heading = textWidth(`${panel.title} (${panel.unit})`, 13) * 1.1 + 2 * SAMPLE.after;
  const beside = PLOT.left + heading + whole <= PLOT.right;
  let row = beside ? 0 : 1;
  let x = beside ? PLOT.right - whole : PLOT.left;
  const entries = panel.series.map((series) => {
    if (x > PLOT.left && x + widthOf(series) - SAMPLE.after > PLOT.right + 1) {
      row += 1;
      x = PLOT.left;
    }
    const entry = { series, x, row };
    x += widthOf(series);
    return entry;
  });
  return { entries, rows: row };
}

function axisOf(panel: Panel): Axis {
  const values = panel.series.flatMap(({ course }) => course.values.filter((v) => v !== null));
  let low = panel.fromZero ? 0 : Infinity;
  let high = panel.fromZero ? 0 : -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  // A line on the plot's own border would be hard to see.
  return low <= high ? valueAxis(low, high + (high - low) * HEADROOM) : valueAxis(0, 1);
}

function drawPanel(panel: Panel, top: number, durationS: number): { svg: string; bottom: number } {
  const legend = layLegend(panel);
  const plotTop = top + ROW * (1 + legend.rows);
  const bottom = plotTop + PLOT.height;
  const values = axisOf(panel);
  const times = timeAxis(durationS);
  const x = (atS: number) => PLOT.left + (atS / durationS) * (PLOT.right - PLOT.left);
  const y = (value: number) =>
    bottom - ((value - values.low) / (values.high - values.low)) * PLOT.height;
  const parts = [
    label(`${panel.title} (${panel.unit})`, PLOT.left, top + 9, { size: 13, bold: true }),
  ];
  for (const { series, x: at, row } of legend.entries) {
    const middle = top + 5 + row * ROW;
    parts.push(
      `<line x1="${place(at)}" x2="${place(at + SAMPLE.width)}" y1="${place(middle)}" y2="${place(middle)}" ${strokeOf(series.stroke)}/>`,
      label(series.name, at + SAMPLE.width + SAMPLE.gap, middle + 4),
    );
  }
  for (const tick of values.ticks) {
    const at = place(y(tick));
    parts.push(
      `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${at}" y2="${at}" stroke="${GRID}"/>`,
      label(values.text(tick), PLOT.left - 7, y(tick) + 4, { anchor: 'end' }),
    );
  }
  for (const tick of times.ticks) {
    const at = place(x(tick));
    parts.push(
      `<line x1="${at}" x2="${at}" y1="${place(plotTop)}" y2="${place(bottom)}" stroke="${GRID}"/>`,
      label(times.text(tick), x(tick), bottom + 16, { anchor: 'middle' }),
    );
  }
  parts.push(
    `<path d="M${PLOT.left},${place(plotTop)}V${place(bottom)}H${PLOT.right}" fill="none" stroke="${INK}"/>`,
  );
  for (const { name, course, stroke } of panel.series) {
    const lines = linesOf(course, MOST_POINTS).map((line) => {
      const points = line.map(({ atS, value }) => `${place(x(atS))},${place(y(value))}`);
      return `<polyline points="${points.join(' ')}"/>`;
    });
    parts.push(
      `<g data-series="${escapeXml(name)}" fill="none" stroke-linejoin="round" ${strokeOf(stroke)}>${lines.join('')}</g>`,
    );
  }
  return { svg: `<g data-panel="${escapeXml(panel.title)}">${parts.join('\n')}</g>`, bottom };
}

/** Panels under each other over the same time, as a standalone SVG image. */
export function drawChart(chart: Chart): string {
  const drawn: string[] = [];
  let top = HEAD;
  for (const panel of chart.panels) {
    const { svg, bottom } = drawPanel(panel, top, chart.durationS);
    drawn.push(svg);
    top = bottom + ROW + PANEL_GAP;
  }
  const height = top - ROW - PANEL_GAP + FOOT;
  const { unit } = timeAxis(chart.durationS);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${place(height)}" width="${WIDTH}" height="${place(height)}" role="img" font-family="${FONT}">
<title>${escapeXml(chart.title)}</title>
<desc>${escapeXml(chart.description)}</desc>
<rect width="${WIDTH}" height="${place(height)}" fill="#fff"/>
${label(fitting(chart.title, 18), PLOT.left, 26, { size: 16, bold: true })}
${label(chart.subtitle, PLOT.left, 45, { fill: '#555' })}
${drawn.join('\n')}
${label(`time (${unit})`, PLOT.right, height - 10, { anchor: 'end' })}
</svg>
`;
}
