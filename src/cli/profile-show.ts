import type { DeviceProfile, OverlayUse } from '../hardware/index.ts';
import type { OperatingPoint } from '../protocol/index.ts';
import { boardOf } from '../daemon/governor-board.ts';
import {
  bytesPerTokenOf,
  type Expectation,
  expectAt,
  expectSmaller,
  hullOf,
} from './profile-expect.ts';
import { megahertz, memoryText } from './profile-list.ts';
import { alignColumns } from './table.ts';

type Figure = { value: number; source: string; estimated?: boolean | undefined };

const originCells = ({ source, estimated }: Omit<Figure, 'value'>): string[] => [
  estimated === true ? 'estimated' : '',
  `[${source}]`,
];

const figureRow = (label: string, figure: Figure, unit: string): string[] => [
  label,
  `${figure.value} ${unit}`,
  ...originCells(figure),
];

function cpuRows({ cpu }: DeviceProfile): string[][] {
  const clusters = cpu.clusters.map(({ core, cores, dvfs, features }) => {
    const { steps } = dvfs;
    const first = steps[0];
    const last = steps.at(-1);
    const clock =
      first === undefined || last === undefined
        ? 'clocks unknown'
        : `${megahertz(first.freq_khz)} (${first.core_w} W a core) to ${megahertz(last.freq_khz)} (${last.core_w} W), ${steps.length} steps`;
    const extra = features.length === 0 ? '' : `, ${features.join(' ')}`;
    return [
      'cores',
      `${cores === null ? 'all' : cores} × ${core}${extra}, ${clock}`,
      ...originCells(dvfs),
    ];
  });
  const use = cpu.cores_to_use;
  return use === null ? clusters : [...clusters, figureRow('threads by default', use, '')];
}

function sensorRows({ power }: DeviceProfile): string[][] {
  if (power.sensors.length === 0) return [['power sensor', 'none on the board', '', '']];
  return power.sensors.flatMap(({ kind, match, covers, rails, max_hz: hz }) => [
    [
      'power sensor',
      `${kind} (${match}), sees ${covers === 'board' ? 'the whole board' : 'rails only'}: ${rails.map(({ name }) => name).join(', ')}`,
      '',
      '',
    ],
    figureRow('  readings', hz, 'per s at most'),
    ...rails.flatMap(({ name, idle_w: idle }) =>
      idle === undefined ? [] : [figureRow(`  ${name} idle`, idle, 'W')],
    ),
  ]);
}

function factRows(profile: DeviceProfile): string[][] {
  const { memory, power, thermal, detect } = profile;
  const { sizes_bytes: sizes } = memory;
  const zones = thermal.zones.length === 0 ? 'guessed' : thermal.zones.join(', ');
  return [
    [
      'recognised by',
      [...detect.compatible, ...detect.model].join('  ') || `any ${detect.arch}`,
      '',
      '',
    ],
    ...cpuRows(profile),
    ['memory', sizes.values.map(memoryText).join(', ') || 'not known', ...originCells(sizes)],
    figureRow('memory reaches', memory.bandwidth_bytes_per_s, 'bytes/s'),
    figureRow('a byte costs', memory.energy_j_per_byte, 'J'),
    figureRow('idle', power.idle_w, 'W'),
    ...sensorRows(profile),
    ['thermal zones', zones, '', ''],
    figureRow('kept below', thermal.limit_c, '°C'),
    figureRow('board slows down at', thermal.throttle_c, '°C'),
  ];
}

/** The points as the governor takes them for the model that they are for, and which are on the hull. */
export function pointsOf(profile: DeviceProfile) {
  const { points } = boardOf(profile, { bytesPerToken: bytesPerTokenOf(profile) });
  return { points, hull: hullOf(points) };
}

const pointText = ({ threads, freqKhz }: OperatingPoint): string => {
  if (threads === 0) return 'idle';
  const cores = threads === 1 ? '1 thread' : `${threads} threads`;
  return freqKhz === null ? cores : `${cores} at ${megahertz(freqKhz)}`;
};

/** One plain sentence of what a budget buys. */
export function expectationText(expected: Expectation): string {
  const { budgetW, tokensPerS, joulesPerToken, watts, mix, estimated } = expected;
  const how = mix
    .map(({ point, share }) =>
      mix.length === 1
        ? pointText(point)
        : `${pointText(point)} ${Math.round(share * 100)} % of the time`,
    )
    .join(', ');
  const used = watts < budgetW - 1e-9 ? ` (the board can use ${watts.toFixed(2)} W of it)` : '';
  return `${tokensPerS.toPrecision(3)} tokens/s and ${joulesPerToken.toPrecision(3)} J/token at ${budgetW} W above idle${used}, ${estimated ? 'modelled' : 'measured'}: ${how}`;
}

function pointTable(profile: DeviceProfile): string {
  const { points, hull } = pointsOf(profile);
  if (points.length === 0) return 'none: calibrate this board\n';
  const corners = new Set(hull.map(({ point }) => point));
  const head = ['THREADS', 'MHZ', 'DECODE/S', 'PREFILL/S', 'WATTS', 'J/TOKEN', 'HULL', '', 'FROM'];
  const rows = points.map((point, index) => {
    const raw = profile.operating_points[index];
    const [estimated = '', source = ''] = raw === undefined ? [] : originCells(raw);
    return [
      String(point.threads),
      point.freqKhz === null ? 'as found' : String(point.freqKhz / 1000),
      point.decodeTokensPerS.toPrecision(3),
      point.prefillTokensPerS?.toPrecision(3) ?? '–',
      point.watts.toFixed(3),
      (point.watts / point.decodeTokensPerS).toPrecision(3),
      corners.has(point) ? '*' : '',
      estimated,
      source,
    ];
  });
  return alignColumns([head, ...rows], [0, 1, 2, 3, 4, 5]);
}

/** Where measured figures come from, or why there are none. */
export function overlayText(use: OverlayUse): string {
  switch (use.state) {
    case 'none':
      return `Not calibrated: ${use.file} is not there; \`twowatt profile calibrate\` makes it.`;
    case 'ignored':
      return `Calibration ignored: ${use.file}: ${use.why}.`;
    case 'applied': {
      const { at, model, meter, notes } = use.overlay.measured;
      const told = notes.map((note) => ` Note: ${note}.`).join('');
      return `Calibrated ${at.slice(0, 10)} with ${model.id} (${model.form}), power by ${meter}: ${use.file}.${told}`;
    }
  }
}

/** Whether the model fits, in a sentence; the smallest size decides where nobody knows the board's own. */
function fitSentence(profile: DeviceProfile, budgetW: number): string {
  const { fits, note, smaller_form: smaller, form } = profile.model;
  const size = profile.memory.sizes_bytes.values[0];
  const where = size === undefined ? 'this board' : memoryText(size);
  const model = `ERNIE-4.5-0.3B as ${form.toUpperCase()}`;
  const says: Record<NonNullable<typeof fits>, string> = {
    yes: `${model} fits.`,
    tight: `${model} fits into ${where} only if little else runs.`,
    no: `${model} does not fit into ${where}.`,
  };
  const plain = fits === undefined ? `Nobody knows whether ${model} fits.` : says[fits];
  // Where it is tight or does not fit, the note says so and more.
  const sentence = note === undefined ? plain : fits === 'yes' ? `${plain} ${note}` : note;
  const expected = expectSmaller(profile, budgetW);
  const instead =
    smaller === undefined || expected === null
      ? ''
      : `\nThe form that fits: ${smaller.title}; ${expectationText(expected)}.`;
  return `${sentence}${instead}`;
}

export function showText(
  profile: DeviceProfile,
  overlay: OverlayUse | null,
  budgetW: number,
): string {
  const modelBytes = bytesPerTokenOf(profile);
  const measured = overlay?.state === 'applied' ? overlay.overlay.measured.model.id : null;
  const model = measured ?? 'ERNIE-4.5-0.3B INT8';
  const expected = expectAt(profile, budgetW, modelBytes);
  const sources = Object.entries(profile.sources).map(([name, text]) => `  [${name}] ${text}\n`);
  return `${profile.title} (${profile.name}, revision ${profile.revision})
${overlay === null ? '' : `${overlayText(overlay)}\n`}
${alignColumns(factRows(profile))}
Operating points for ${model}, one request, watts above idle; * is a corner of the hull that the governor mixes
${pointTable(profile)}${expected === null ? '' : `Expect ${expectationText(expected)}.\n`}
${fitSentence(profile, budgetW)}

Sources
${sources.join('')}`;
}

export function showJson(
  profile: DeviceProfile,
  overlay: OverlayUse | null,
  budgetW: number,
): string {
  const { hull } = pointsOf(profile);
  const body = {
    profile,
    overlay,
    hull: hull.slice(1).map(({ point, watts, stepS }) => ({
      threads: point.threads,
      freq_khz: point.freqKhz,
      watts,
      decode_tokens_per_s: 1 / stepS,
    })),
    expect: expectAt(profile, budgetW, bytesPerTokenOf(profile)),
    expect_form_that_fits: expectSmaller(profile, budgetW),
  };
  return `${JSON.stringify(body, null, 2)}\n`;
}
