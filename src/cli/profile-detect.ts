import { availableParallelism } from 'node:os';
import type { Config } from '../config/index.ts';
import { createSystemClock, silentLogger } from '../core/index.ts';
import { chooseProfile, lookAtClockBounds, openSensors } from '../hardware/index.ts';
import type { BoardSample, Reading } from '../protocol/index.ts';
import { memoryText } from './profile-list.ts';
import { overlayText } from './profile-show.ts';
import { alignColumns } from './table.ts';

/** Firmware that has to be asked through a program answers within this. */
const FIRST_ANSWER_MS = 700;

/** Everything that `profile detect` finds; reads only, also while a daemon runs. */
async function look(hardware: Config['hardware']) {
  const { board, match } = chooseProfile(hardware);
  const clock = createSystemClock();
  const sensors = openSensors({
    sysfsRoot: hardware.sysfs_root,
    procRoot: hardware.proc_root,
    vcgencmd: hardware.vcgencmd,
    profile: match?.profile ?? null,
    clock,
    pid: process.pid,
    logger: silentLogger,
  });
  try {
    sensors.sample();
    await new Promise((wake) => setTimeout(wake, FIRST_ANSWER_MS));
    return {
      board,
      match,
      sample: sensors.sample(),
      sensors: sensors.describe().filter(({ kind }) => kind !== 'cpufreq'),
      clocks: lookAtClockBounds(hardware.sysfs_root),
    };
  } finally {
    sensors.close();
  }
}

type Found = Awaited<ReturnType<typeof look>>;

const readingText = (reading: Reading): string =>
  reading.ok
    ? `${reading.value.toFixed(2)} ${reading.unit === 'c' ? '°C' : reading.unit.toUpperCase()} (${reading.source})`
    : `– (${reading.reason})`;

function readingRows({ boardW, railsW, socC, throttled, underVoltage }: BoardSample): string[][] {
  const rails = Object.entries(railsW).map(([name, rail]) => [`rail ${name}`, readingText(rail)]);
  return [
    ['board power', readingText(boardW)],
    ...rails,
    ['temperature', readingText(socC)],
    ['slowed down', throttled.join(', ') || 'no sign of it'],
    ['under-voltage', underVoltage === null ? 'nobody can tell' : underVoltage ? 'YES' : 'no'],
  ];
}

function actuatorRows(clocks: Found['clocks']): string[][] {
  const threads = ['threads', `1 to ${availableParallelism()}`];
  if (clocks.length === 0)
    return [threads, ['clock', 'no cpufreq policy: paced by threads and pauses']];
  return [
    threads,
    ...clocks.map(({ name, availableKhz, maxKhz, denied }) => [
      `clock ${name}`,
      `${availableKhz.length} steps, bound ${maxKhz ?? '?'} kHz, ${denied === null ? 'can be set' : `cannot be set: ${denied}`}`,
    ]),
  ];
}

function text(found: Found, sysfsRoot: string): string {
  const { board, match, sample, sensors, clocks } = found;
  const model = board.model ?? 'no device tree model';
  const head = [
    ['board', model],
    ['compatible', board.compatible.join(', ') || 'none'],
    [
      'cores, memory',
      `${board.cores}, ${memoryText(Math.round(board.memoryBytes / 2 ** 20) * 2 ** 20)}`,
    ],
    ['profile', match === null ? 'none fits' : match.profile.name],
    ['why', match?.why ?? 'no profile names this board, and none is for its processor'],
  ];
  const sensorRows = sensors.map(({ kind, where, rails, notes }) => [
    kind,
    where,
    [...rails, ...notes].join(', '),
  ]);
  return `${alignColumns(head)}${match === null ? '' : `${overlayText(match.overlay)}\n`}
Sensors under ${sysfsRoot}
${sensorRows.length === 0 ? 'none\n' : alignColumns(sensorRows)}
They say now
${alignColumns(readingRows(sample))}
Actuators
${alignColumns(actuatorRows(clocks))}`;
}

export async function detectProfile(hardware: Config['hardware'], json: boolean): Promise<void> {
  const found = await look(hardware);
  if (!json) {
    process.stdout.write(text(found, hardware.sysfs_root));
    return;
  }
  const { board, match, sample, sensors, clocks } = found;
  const body = {
    board,
    profile: match?.profile.name ?? null,
    why: match?.why ?? null,
    overlay: match?.overlay ?? null,
    sensors,
    now: sample,
    actuators: { threads: availableParallelism(), clocks },
  };
  process.stdout.write(`${JSON.stringify(body, null, 2)}\n`);
}
