import { useSignalEffect } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { f, language, t } from '../i18n/index.ts';
import { type Figure, inOneLine, UNKNOWN } from '../lib/format.ts';
import { setFixed } from '../state/range.ts';
import { colour, theme } from '../state/theme.ts';

export type Line = {
  label: string;
  /** Name of a colour of the style sheet. */
  tone: string;
  values: readonly (number | null)[];
  dashed?: boolean;
  stepped?: boolean;
  filled?: boolean;
};

type ChartProps = {
  /** What it shows, for those who do not see it. */
  label: string;
  tMs: readonly number[];
  lines: readonly Line[];
  unit: (value: number | null) => Figure;
  height?: number;
  fromMs: number;
  toMs: number;
  /** Charts of one name share their cursor. */
  sync?: string;
  /** Always in view, beside the values. */
  floor?: number;
  /** Values are divided by it on the axis. */
  axisPer?: number;
};

/** Series over time. Dragging chooses a time range; the figures of the pointed-at moment stand in the legend. */
export function Chart(props: ChartProps) {
  const { lines, tMs, unit, height = 150 } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const now = useRef(props);
  now.current = props;
  const [at, setAt] = useState<number | null>(null);
  // A theme or another set of lines needs a new plot; new values do not.
  const shape = `${theme.value} ${language.value} ${lines.map(({ label, tone }) => label + tone).join()}`;

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const made = new uPlot(
      optionsFor(now, setAt, element.clientWidth, height),
      dataOf(now.current),
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => {
      made.setSize({ width: Math.max(120, element.clientWidth), height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, height]);

  useEffect(() => {
    plot.current?.setData(dataOf(props), false);
    plot.current?.setScale('x', { min: props.fromMs / 1000, max: props.toMs / 1000 });
  }, [tMs, lines, props.fromMs, props.toMs]);

  useSignalEffect(() => {
    // Subscribes to the theme, so that `shape` is read anew.
    void theme.value;
  });

  const index = at ?? tMs.length - 1;
  return (
    <figure>
      <figcaption class="chart-legend">
        {lines.map(({ label, tone, values, dashed }) => {
          const value = values[index] ?? null;
          return (
            <span key={label}>
              <i class={dashed === true ? 'dash' : ''} style={{ color: `var(--${tone})` }} />
              {label} <b>{value === null ? UNKNOWN : inOneLine(unit(value))}</b>
            </span>
          );
        })}
        {at === null || tMs[at] === undefined ? null : <span>{f().dateTime(tMs[at] ?? 0)}</span>}
      </figcaption>
      <div
        ref={box}
        class="chart-box"
        role="img"
        aria-label={summary(props)}
        style={{ height: `${height}px` }}
      />
    </figure>
  );
}

/** The chart in words: least, mean and most of each line. */
function summary({ label, lines, unit }: ChartProps): string {
  const parts = lines.map((line) => {
    const values = line.values.filter((value) => value !== null);
    if (values.length === 0) return t('chart.none', { name: line.label });
    let min = Infinity;
    let max = -Infinity;
    let sum = 0;
    for (const value of values) {
      min = Math.min(min, value);
      max = Math.max(max, value);
      sum += value;
    }
    return t('chart.words', {
      name: line.label,
      min: inOneLine(unit(min)),
      mean: inOneLine(unit(sum / values.length)),
      max: inOneLine(unit(max)),
    });
  });
  return `${label}. ${parts.join(' ')}`;
}

function dataOf({ tMs, lines }: ChartProps): uPlot.AlignedData {
  return [tMs.map((ms) => ms / 1000), ...lines.map(({ values }) => [...values])];
}

function seriesFor(line: Line): uPlot.Series {
  const stroke = colour(line.tone);
  const series: uPlot.Series = {
    label: line.label,
    stroke,
    width: line.dashed === true ? 1.2 : 1.6,
    spanGaps: false,
    points: { show: false },
  };
  if (line.dashed === true) series.dash = [5, 4];
  if (line.filled === true) series.fill = `${stroke}22`;
  if (line.stepped === true && uPlot.paths.stepped !== undefined) {
    series.paths = uPlot.paths.stepped({ align: 1 });
  }
  return series;
}

function optionsFor(
  now: { current: ChartProps },
  setAt: (index: number | null) => void,
  width: number,
  height: number,
): uPlot.Options {
  const { sync, lines } = now.current;
  const muted = colour('muted');
  const grid = { stroke: colour('line'), width: 1 };
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: muted, grid, font, ticks: { show: false } };
  return {
    width: Math.max(120, width),
    height,
    legend: { show: false },
    padding: [6, 4, 0, 0],
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
      ...(sync === undefined ? {} : { sync: { key: sync } }),
    },
    scales: {
      x: { time: true },
      y: {
        range: (_plot, min, max) => {
          const { floor, axisPer = 1 } = now.current;
          const lowest = Math.min(floor ?? min ?? 0, min ?? floor ?? 0);
          const highest = Math.max(max ?? lowest, lowest);
          // A value that never moves is a line in the middle, not at the edge of nothing.
          const room = Math.max(
            (highest - lowest) * 0.08,
            highest - lowest < axisPer ? axisPer / 2 : 0,
          );
          return [floor === undefined ? lowest - room : lowest, highest + room];
        },
      },
    },
    axes: [
      {
        ...axis,
        size: 22,
        space: 70,
        values: (_plot, splits, _i, _space, step) =>
          splits.map((s) =>
            step >= 86_400
              ? new Date(s * 1000).toLocaleDateString(f().language, {
                  month: 'short',
                  day: 'numeric',
                })
              : f()
                  .clock(s * 1000)
                  .slice(0, step < 60 ? 8 : 5),
          ),
      },
      {
        ...axis,
        size: 46,
        space: 30,
        values: (_plot, splits) => {
          const per = now.current.axisPer ?? 1;
          const step = Math.abs((splits[1] ?? 1) - (splits[0] ?? 0)) / per;
          const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
          return splits.map((raw) => {
            const value = raw / per;
            const large = Math.abs(value) >= 10_000;
            return large ? `${f().number(value / 1000, 0)}k` : f().number(value, digits);
          });
        },
      },
    ],
    series: [{}, ...lines.map(seriesFor)],
    hooks: {
      setCursor: [(plot) => setAt(plot.cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          const { left, width: selected } = plot.select;
          if (selected < 8) return;
          const from = plot.posToVal(left, 'x') * 1000;
          const to = plot.posToVal(left + selected, 'x') * 1000;
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          setFixed(Math.round(from), Math.round(to));
        },
      ],
    },
  };
}
