import type { BoardFacts } from '../facts.ts';
import type { Verdict } from '../finding.ts';
import { check, fail, note, ok, warn } from './check.ts';
import { bytesText, clockText, readingText, shellPath } from './figures.ts';

const POWER_KINDS = new Set(['ina3221', 'ina2xx', 'pi-pmic', 'rapl']);
const THROTTLE_KINDS = new Set(['pi-throttled', 'rpi_volt', 'soctherm_oc']);

/** A board this near to its limit has little left for inference. */
const NEAR_LIMIT_C = 3;

function judgeModel({ board }: BoardFacts): Verdict {
  const size = `${board.cores} cores, ${bytesText(board.memoryBytes)}, ${board.arch}`;
  if (board.model !== null) return ok(`${board.model} (${size})`);
  return note(`the kernel does not name it (${size})`);
}

function judgeProfile({ profile }: BoardFacts): Verdict {
  if (profile === null) {
    return warn(
      'none fits this board: every figure of power is a guess',
      'Name the profile of the most similar board.',
      'hardware: { profile: generic-arm64 }',
    );
  }
  const { name, detect, model } = profile.profile;
  const text = `${name} (${profile.why})`;
  if (model.fits === 'no')
    return warn(`${text}. ${model.note ?? ''}`.trim(), 'Use a smaller model.');
  if (detect.generic === true) {
    return note(`${text}: its power is that of a typical board, not of yours`);
  }
  return ok(text);
}

function judgeCpu({ cpu, profile }: BoardFacts): Verdict {
  const wanted = profile?.profile.model.target ?? null;
  if (cpu.features === null) {
    return note(`no cpuinfo; by the architecture: graph form ${cpu.target}`);
  }
  const text = `${cpu.features.join(' ') || 'no 8-bit instructions'}: graph form ${cpu.target}`;
  if (wanted === null || wanted === cpu.target) return ok(text);
  return note(`${text} (the profile expects ${wanted}; the processor decides)`);
}

function judgePower({ sensors, sample }: BoardFacts): Verdict {
  const found = sensors.filter(({ kind }) => POWER_KINDS.has(kind));
  if (found.length === 0) {
    return note(
      'no power sensor: watts are estimated by the profile, with a guard band below the budget',
    );
  }
  const kinds = found.map(({ kind }) => kind).join(', ');
  const rails = Object.entries(sample.railsW);
  const readings = rails.map(([name, reading]) => `${name} ${readingText(reading)}`).join(', ');
  const whole = sample.boardW.ok ? `board ${readingText(sample.boardW)}; ` : '';
  const text = `${kinds}: ${whole}${readings || readingText(sample.boardW)}`;
  if (rails.some(([, reading]) => reading.ok)) {
    return sample.boardW.ok ? ok(text) : note(`${text} (${sample.boardW.reason})`);
  }
  return warn(
    text,
    'Until it gives watts again the governor goes by its estimate; look at what the kernel says of it.',
    'dmesg | grep -i -e ina -e i2c -e rapl -e vcio',
  );
}

function judgeTemperature({ zones, sample, profile }: BoardFacts): Verdict {
  const list = zones
    .map(({ type, reading, soc }) => `${type}${soc ? '*' : ''} ${readingText(reading)}`)
    .join(', ');
  if (!sample.socC.ok) {
    return warn(
      list === '' ? sample.socC.reason : `${sample.socC.reason} (${list})`,
      'Without a temperature the governor goes slow; look for a zone that can be read.',
      'grep . /sys/class/thermal/thermal_zone*/{type,temp}',
    );
  }
  const throttleC = profile?.profile.thermal.throttle_c.value;
  const text = `${list} (* SoC)`;
  if (throttleC !== undefined && sample.socC.value >= throttleC - NEAR_LIMIT_C) {
    return warn(
      `${text}: the firmware slows this board down from ${throttleC} °C on`,
      'Give the board air: a heat sink, a fan, or a cooler place.',
    );
  }
  return ok(text);
}

function judgeThrottling({ sensors, sample, sinceBoot }: BoardFacts): Verdict {
  const sources = sensors.filter(({ kind }) => THROTTLE_KINDS.has(kind));
  if (sources.length === 0) {
    return note('nothing on this board tells: throttling shows in the temperature only');
  }
  const kinds = [...new Set(sources.map(({ kind }) => kind))].join(', ');
  if (sample.underVoltage === true) {
    return fail(
      `${kinds}: the supply voltage is too low now`,
      'Use the supply that is made for this board, and a short, thick cable.',
    );
  }
  if (sample.throttled.length > 0) {
    return warn(
      `${kinds}: slowed down now (${sample.throttled.join(', ')})`,
      'Cool the board, or lower the limit so that the governor paces before the firmware does.',
      'governor: { temperature_limit_c: 70 }',
    );
  }
  const past = (sinceBoot ?? []).map(({ name, events }) =>
    events === null ? name : `${name} ${events} times`,
  );
  if (past.length === 0) return ok(`${kinds}: nothing now, nothing since boot`);
  const text = `${kinds}: nothing now; since boot: ${past.join(', ')}`;
  if (!past.includes('under_voltage')) return note(text);
  return warn(text, 'Use the supply that is made for this board, and a short, thick cable.');
}

function judgeClock({ clocks }: BoardFacts): Verdict {
  const [first] = clocks;
  if (first === undefined) {
    return note('no cpufreq policy: steps are paced and threads chosen, the clock is not bounded');
  }
  const list = clocks
    .map(({ name, currentKhz, maxKhz, availableKhz }) => {
      const table = availableKhz.length === 0 ? 'any clock' : `${availableKhz.length} steps`;
      return `${name} ${clockText(currentKhz)} of at most ${clockText(maxKhz)} (${table})`;
    })
    .join(', ');
  const lowered = clocks.filter(
    ({ maxKhz, hardwareMaxKhz }) =>
      maxKhz !== null && hardwareMaxKhz !== null && maxKhz < hardwareMaxKhz,
  );
  const bound = lowered.length === 0 ? '' : '; bounded below what the hardware can';
  const denied = clocks.find((clock) => clock.denied !== null);
  if (denied !== undefined) {
    return warn(
      `${list}${bound}; ${denied.denied}`,
      'Steps are paced instead, which costs some tokens per second; this lets your own user bound the clock until the next boot.',
      `sudo chown $(id -un) ${shellPath(denied.folder)}/scaling_max_freq`,
    );
  }
  return ok(`${list}${bound}; may be set by this user`);
}

export const boardChecks = [
  check('board', { id: 'board.model', group: 'board', title: 'Board' }, judgeModel),
  check('board', { id: 'board.profile', group: 'board', title: 'Profile' }, judgeProfile),
  check('board', { id: 'board.cpu', group: 'board', title: 'Processor' }, judgeCpu),
  check('board', { id: 'board.power', group: 'board', title: 'Power' }, judgePower),
  check(
    'board',
    { id: 'board.temperature', group: 'board', title: 'Temperature' },
    judgeTemperature,
  ),
  check('board', { id: 'board.throttling', group: 'board', title: 'Throttling' }, judgeThrottling),
  check('board', { id: 'board.clock', group: 'board', title: 'Clock bound' }, judgeClock),
];
