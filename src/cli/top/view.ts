import type { styleText } from 'node:util';
import type { Telemetry } from '../../protocol/index.ts';
import { displayWidth } from '../terminal.ts';
import type { Decision, Look } from './look.ts';

type Format = Parameters<typeof styleText>[0];
/** A piece of a line, so that lines can be cut by columns before they are painted. */
type Piece = string | { text: string; format: Format };
export type Line = Piece[];

const LABEL_COLUMNS = 8;
const BLOCKS = '▁▂▃▄▅▆▇█';
/** Rows at the most, where the terminal is higher. */
const MOST_DECISIONS = 12;

const dim = (text: string): Piece => ({ text, format: 'dim' });
const bold = (text: string): Piece => ({ text, format: 'bold' });
const textOf = (piece: Piece): string => (typeof piece === 'string' ? piece : piece.text);

const number = (value: number | null, digits: number, unit: string): string =>
  value === null ? `– ${unit}` : `${value.toFixed(digits)} ${unit}`;

function bytes(value: number | null): string {
  if (value === null) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3));
  return `${(value / 1000 ** power).toFixed(power < 2 ? 0 : 1)} ${units[power]}`;
}

function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/** A bar that turns yellow near its end and red beyond it. */
function bar(share: number | null, columns: number): Piece {
  if (share === null) return dim('░'.repeat(columns));
  const filled = Math.round(Math.min(1, Math.max(0, share)) * columns);
  const format = share > 1 ? 'red' : share > 0.85 ? 'yellow' : 'green';
  return { text: '█'.repeat(filled) + '░'.repeat(columns - filled), format };
}

/** The last values as a line of blocks, from 0 to the greatest of them. */
export function sparkline(values: readonly (number | null)[], columns: number): string {
  const shown = values.slice(-columns);
  const most = Math.max(...shown.map((value) => value ?? 0), 1e-9);
  return shown
    .map((value) => {
      if (value === null) return ' ';
      const height = Math.round((Math.max(0, value) / most) * (BLOCKS.length - 1));
      return BLOCKS[height] ?? ' ';
    })
    .join('');
}

const row = (label: string, ...pieces: Piece[]): Line => [
  bold(label.padEnd(LABEL_COLUMNS)),
  ...pieces,
];

function powerRows({ power }: Telemetry, look: Look, barColumns: number): Line[] {
  const scope = power.scope.replaceAll('_', ' ');
  const how = power.measured ? 'measured' : 'estimated';
  const share = power.watts === null ? null : power.watts / power.budget_w;
  const means = [
    ['10 s', power.mean_10s_w],
    ['60 s', power.mean_60s_w],
    ['board', power.board_w],
  ] as const;
  return [
    row(
      'Power',
      bar(share, barColumns),
      ` ${number(power.watts, 2, 'W')} of ${number(power.budget_w, 2, 'W')} ${scope}`,
      dim(
        power.watts === null ? ` ${power.reason ?? ''}` : ` ${how}${power.stale ? ', stale' : ''}`,
      ),
    ),
    row(
      '',
      { text: sparkline(look.watts, barColumns).padEnd(barColumns), format: 'cyan' },
      dim(` ${means.map(([name, value]) => `${name} ${number(value, 2, 'W')}`).join(' · ')}`),
    ),
  ];
}

function thermalRow({ thermal }: Telemetry, barColumns: number): Line {
  const { soc_c: soc, limit_c: limit, throttled, under_voltage: underVoltage } = thermal;
  const trouble = [...throttled, ...(underVoltage === true ? ['under-voltage'] : [])];
  return row(
    'Heat',
    bar(soc === null ? null : soc / limit, barColumns),
    ` ${number(soc, 1, '°C')} of ${limit.toFixed(0)} °C`,
    trouble.length > 0 ? { text: ` ${trouble.join(' ')}`, format: 'red' } : '',
  );
}

function speedRows({ engine, governor }: Telemetry, look: Look, barColumns: number): Line[] {
  const clock =
    governor.max_freq_khz === null ? '' : ` at ${(governor.max_freq_khz / 1e6).toFixed(2)} GHz`;
  const state = { open: 'green', pacing: 'cyan', hot: 'red', paused: 'yellow' } as const;
  return [
    row(
      'Speed',
      { text: sparkline(look.tokensPerS, barColumns).padEnd(barColumns), format: 'cyan' },
      ` ${number(engine.tokens_per_s, 1, 'tok/s')} · ${number(engine.joules_per_token, 3, 'J/token')}`,
      dim(` · ${engine.tokens_total} tokens`),
    ),
    row(
      'Pace',
      { text: governor.state, format: state[governor.state] },
      `, duty ${Math.round(governor.duty * 100)} %, ${governor.threads} threads${clock}`,
      dim(` · up to ${number(governor.allowed_tokens_per_s, 1, 'tok/s')}`),
    ),
  ];
}

function engineRows({ engine, queue, router, system }: Telemetry): Line[] {
  const state =
    engine.state === 'ready' || engine.state === 'busy' ? ('green' as const) : ('red' as const);
  const restarts = engine.restarts === 0 ? '' : ` · ${engine.restarts} restarts`;
  const memory = `${bytes(system.mem_used_bytes)} of ${bytes(system.mem_total_bytes)}`;
  return [
    row(
      'Engine',
      { text: engine.state, format: state },
      ` · ${engine.model ?? 'no model'} · ${engine.slots_busy}/${engine.slots} slots · ${bytes(engine.rss_bytes)}${restarts}`,
    ),
    row(
      'Queue',
      `${queue.depth} waiting`,
      queue.depth > 0 ? ` (oldest ${duration(queue.oldest_ms / 1000)})` : '',
      dim(
        ` · ${queue.accepted_total} taken · ${queue.completed_total} answered · ${queue.rejected_total} refused`,
      ),
    ),
    row(
      'Routes',
      `${router.edge_total} edge · ${router.cloud_total} cloud · ${router.escalated_total} escalated`,
      dim(
        ` · spent ${router.cloud_cost.toFixed(4)} · saved ${router.saved_cost.toFixed(4)} ${router.currency}`,
      ),
    ),
    row(
      'System',
      `CPU ${number(system.cpu_pct, 0, '%')} · load ${system.load1 ?? '–'} · memory ${memory} · disk ${bytes(system.disk_free_bytes)} free`,
    ),
  ];
}

function healthRows({ health }: Look): Line[] {
  if (health.length === 0) return [row('Health', { text: 'nothing is wrong', format: 'green' })];
  const format = { error: 'red', warning: 'yellow', info: 'dim' } as const;
  return health.map(({ code, severity, text }, index) =>
    row(index === 0 ? 'Health' : '', { text: code, format: format[severity] }, ` ${text}`),
  );
}

function decisionRow(decision: Decision): Line {
  const { target, reasons, escalated, confidence, joules, totalMs, error } = decision;
  const where = error ?? `${target ?? '–'}${escalated ? ' (escalated)' : ''}`;
  const figures = [
    confidence === null ? undefined : `sure ${confidence.toFixed(2)}`,
    joules === null ? undefined : number(joules, 2, 'J'),
    totalMs === null ? undefined : number(totalMs / 1000, 1, 's'),
  ].filter((figure) => figure !== undefined);
  return [
    '  ',
    { text: where.padEnd(18), format: error === null ? 'cyan' : 'red' },
    ` ${reasons.join(' ').padEnd(24)} `,
    dim(figures.join(' · ')),
  ];
}

function header(look: Look): Line {
  const { telemetry, state } = look;
  const format = state === 'online' ? 'green' : state === null ? 'dim' : 'yellow';
  const parts = [telemetry?.profile, telemetry && `up ${duration(telemetry.uptime_s)}`];
  return [
    bold(telemetry?.node ?? look.where),
    ' ',
    { text: state ?? 'unknown', format },
    dim(parts.map((part) => (part ? ` · ${part}` : '')).join('')),
    look.connected
      ? dim(
          ` · ${telemetry?.ts.slice(11, 19) ?? 'waiting for telemetry'}${telemetry ? ' UTC' : ''}`,
        )
      : { text: ` · ${look.problem ?? 'connection lost'}; trying again`, format: 'red' },
  ];
}

/** The whole picture, at most `rows` lines of any width: what is of least weight is left out first. */
export function view(look: Look, size: { columns: number; rows: number }, footer?: Line): Line[] {
  const { telemetry } = look;
  const barColumns = Math.max(8, Math.min(30, Math.floor((size.columns - LABEL_COLUMNS) / 3)));
  const board =
    telemetry === null
      ? []
      : [
          ...powerRows(telemetry, look, barColumns),
          thermalRow(telemetry, barColumns),
          ...speedRows(telemetry, look, barColumns),
          ...engineRows(telemetry),
        ];
  const top = [header(look), ...board, ...healthRows(look)];
  const room = size.rows - top.length - (footer ? 1 : 0) - 1;
  const decisions = look.decisions.slice(0, Math.max(0, Math.min(room, MOST_DECISIONS)));
  const recent = decisions.length === 0 ? [] : [[bold('Recent')], ...decisions.map(decisionRow)];
  const lines = [...top, ...recent].slice(0, Math.max(1, size.rows - (footer ? 1 : 0)));
  return footer ? [...lines, footer] : lines;
}

/** One line as text, cut to `columns`. */
export function paintLine(
  line: Line,
  columns: number,
  paint: (format: Format, text: string) => string,
): string {
  let left = columns;
  let painted = '';
  for (const piece of line) {
    let cut = '';
    for (const character of textOf(piece)) {
      const width = displayWidth(character);
      if (width > left) {
        left = 0;
        break;
      }
      left -= width;
      cut += character;
    }
    if (cut !== '') painted += typeof piece === 'string' ? cut : paint(piece.format, cut);
    if (left <= 0) break;
  }
  return painted;
}
