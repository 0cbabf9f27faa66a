import { existsSync, mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { modelOf } from '../daemon/governor-board.ts';
import {
  createSystemClock,
  packageVersion,
  Scope,
  silentLogger,
  TwowattError,
  writeFileAtomic,
} from '../core/index.ts';
import {
  type Calibration,
  calibrate,
  choosePoints,
  drawHull,
  overlayOf,
  type WattsInput,
} from '../hardware/calibration/index.ts';
import {
  bundledProfiles,
  chooseProfile,
  type DeviceProfile,
  openActuators,
  openSensors,
  type ProfileOverlay,
  readProfile,
} from '../hardware/index.ts';
import { applyOverlay } from '../hardware/profile-overlay.ts';
import type { Journal } from '../queue/types.ts';
import { openLocalEngine } from './answerer-local.ts';
import { CliError, type CommonOptions, EXIT } from './common.ts';
import { loadConfigForCli } from './config.ts';
import { createEngineWorkload } from './engine-workload.ts';
import { onSignals } from './interrupt.ts';
import { expectAt } from './profile-expect.ts';
import { expectationText, pointsOf } from './profile-show.ts';
import { askForWatts, readWattsFile } from './profile-watts.ts';
import { createProgressView } from './progress.ts';
import { alignColumns } from './table.ts';

export type CalibrateCommandOptions = CommonOptions & {
  model?: string;
  out?: string;
  chart?: string;
  meter?: boolean;
  watts?: string;
  threads?: number[];
  clocks?: number[];
  seconds: number;
  repeats?: number;
  warmup: number;
  idle: number;
  tolerance: number;
};

/** A person is asked once a point: nobody reads a meter a hundred times. */
const REPEATS = { sensor: 3, told: 1 };

type Values = ReturnType<typeof loadConfigForCli>['values'];

/** Holds the journal, so that no daemon runs beside the calibration, and none starts meanwhile. */
async function keepDaemonOut(values: Values, clock: ReturnType<typeof createSystemClock>) {
  const { path } = values.queue;
  if (!existsSync(path)) return null;
  const { openJournal } = await import('../queue/index.ts');
  const most = Number.MAX_SAFE_INTEGER;
  const limits = {
    maxDepth: 0,
    maxBytes: most,
    retentionMs: most,
    dedupeWindowMs: 0,
    maxAttempts: most,
  };
  const journal: Journal = openJournal({ path, clock, logger: silentLogger, limits });
  return journal;
}

function inputOf(options: CalibrateCommandOptions, beforeAsking: () => void) {
  if (options.meter === true && options.watts !== undefined) {
    throw new CliError(EXIT.usage, 'give either --meter or --watts FILE.json, not both');
  }
  if (options.watts !== undefined) {
    if (options.threads !== undefined || options.clocks !== undefined) {
      throw new CliError(
        EXIT.usage,
        'the file of --watts names the points; leave --threads and --clocks out',
      );
    }
    return readWattsFile(resolve(options.watts));
  }
  if (options.meter !== true) return { input: { kind: 'sensor' } satisfies WattsInput };
  if (!process.stdin.isTTY) {
    throw new CliError(EXIT.usage, '--meter asks on a terminal; scripts give --watts FILE.json');
  }
  return { input: askForWatts({ input: process.stdin, output: process.stderr }, beforeAsking) };
}

/** The board's profile without an earlier calibration: what is measured now lies over that. */
function plainProfile(values: Values): DeviceProfile {
  const { match } = chooseProfile(values.hardware);
  if (match === null) {
    throw new TwowattError(
      'unsupported',
      'no device profile fits this board, so there is nothing to calibrate; name one with --set hardware.profile=NAME',
    );
  }
  return readProfile(`${bundledProfiles()}/${match.profile.name}.json`);
}

async function measure(
  options: CalibrateCommandOptions,
  signal: AbortSignal,
): Promise<{ calibration: Calibration; overlay: ProfileOverlay; profile: DeviceProfile }> {
  const clock = createSystemClock();
  const { values } = loadConfigForCli(options);
  const { hardware } = values;
  const progress = createProgressView();
  const asked = inputOf(options, () => progress.end());
  const profile = plainProfile(values);
  const scope = new Scope();
  try {
    const journal = await keepDaemonOut(values, clock);
    if (journal !== null) scope.defer('journal', () => journal.close());
    const sensors = openSensors({
      sysfsRoot: hardware.sysfs_root,
      procRoot: hardware.proc_root,
      vcgencmd: hardware.vcgencmd,
      profile,
      clock,
      pid: process.pid,
      logger: silentLogger,
    });
    scope.defer('sensors', () => sensors.close());
    const { engine, manifest, folder, contextTokens } = await openLocalEngine({ options, clock });
    scope.defer('engine', () => engine.close());
    const actuators = openActuators({
      sysfsRoot: hardware.sysfs_root,
      procRoot: hardware.proc_root,
      stateFolder: values.node.state_folder,
      logger: silentLogger,
    });
    // Opened last, so that clocks are put back first; and again should the process end otherwise.
    const putBack = () => actuators.close();
    process.once('exit', putBack);
    scope.defer('clocks', () => {
      putBack();
      process.off('exit', putBack);
    });
    const points = choosePoints({
      cores: coresOf(profile),
      clockSteps: actuators.canScale() ? actuators.availableKhz() : [],
      threads: options.threads,
      clocks: options.clocks,
    });
    if ('points' in asked) checkTold(asked.points, coresOf(profile), actuators);
    const calibration = await calibrate({
      points: 'points' in asked ? asked.points : points,
      work: createEngineWorkload(engine, { contextTokens, clock }),
      sample: () => sensors.sample(),
      actuators,
      input: asked.input,
      railNames: profile.power.sensors.flatMap(({ rails }) => rails.map(({ name }) => name)),
      throttleC: profile.thermal.throttle_c.value,
      seconds: { idle: options.idle, warmUp: options.warmup, window: options.seconds },
      repeats: options.repeats ?? REPEATS[asked.input.kind],
      tolerance: options.tolerance / 100,
      clock,
      signal,
      onProgress: ({ label, done, total }) => progress.update(label, done, total),
    });
    const overlay = overlayOf(calibration, {
      profile,
      model: { ...manifest, bytesPerToken: modelOf(manifest, folder).bytesPerToken },
      at: new Date(clock.wallMs()).toISOString(),
      version: packageVersion(),
    });
    return { calibration, overlay, profile };
  } finally {
    progress.end();
    await scope.close();
  }
}

/** A profile may know more cores than this container or simulated board really has. */
function coresOf(profile: DeviceProfile): number {
  const known = profile.cpu.clusters.reduce((sum, { cores }) => sum + (cores ?? Infinity), 0);
  return Math.min(known, availableParallelism());
}

/** The points of a file of watts have to be some that this board has. */
function checkTold(
  points: readonly { threads: number; freqKhz: number | null }[],
  cores: number,
  actuators: { canScale(): boolean; availableKhz(): readonly number[] },
): void {
  const clockSteps = actuators.canScale() ? actuators.availableKhz() : [];
  const clocks = points.flatMap(({ freqKhz }) => freqKhz ?? []);
  choosePoints({ cores, clockSteps, threads: points.map(({ threads }) => threads), clocks });
}

function report(
  options: CalibrateCommandOptions,
  { calibration, overlay, profile }: Awaited<ReturnType<typeof measure>>,
  file: string,
): void {
  const merged = applyOverlay(profile, overlay);
  if (options.chart !== undefined) {
    const { model, at } = overlay.measured;
    const hull = pointsOf(merged).hull.map(({ watts, stepS }) => ({
      watts,
      tokensPerS: 1 / stepS,
    }));
    const title = `${profile.title}: ${model.id} (${model.form}), measured ${at.slice(0, 10)}`;
    const path = resolve(options.chart);
    writeFileAtomic(path, drawHull(title, calibration, hull), 0o644);
  }
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ file, overlay, calibration }, null, 2)}\n`);
    return;
  }
  const head = ['THREADS', 'MHZ', 'DECODE/S', 'PREFILL/S', 'WATTS', '± W', 'J/TOKEN', 'SPREAD'];
  const rows = calibration.points.map(({ threads, freqKhz, decode, prefill }) => [
    String(threads),
    freqKhz === null ? 'as found' : String(freqKhz / 1000),
    decode.tokensPerS.toPrecision(3),
    prefill.tokensPerS.toPrecision(3),
    decode.watts.toFixed(3),
    (2 * decode.noiseW).toFixed(3),
    (decode.watts / decode.tokensPerS).toPrecision(3),
    `${(Math.max(decode.spread, prefill.spread) * 100).toFixed(1)} %`,
  ]);
  const budgetW = loadConfigForCli(options).values.governor.budget_w;
  const expected = expectAt(merged, budgetW, overlay.measured.model.bytes_per_token);
  const idle = `idle ${calibration.idle.watts.toFixed(3)} W by ${calibration.meter}`;
  const notes = calibration.notes.map((note) => `Note: ${note}.\n`).join('');
  process.stdout.write(`${alignColumns([head, ...rows], [0, 1, 2, 3, 4, 5, 6, 7])}
${idle}; watts are above it, ± two standard errors of the meter
${notes}${expected === null ? '' : `Expect ${expectationText(expected)}.\n`}${file}: in use from the next start of the daemon on
`);
}

/** Runs the calibration; whatever happens, clocks are as they were found and no half a file is left. */
export async function calibrateProfile(options: CalibrateCommandOptions): Promise<void> {
  const clock = createSystemClock();
  const interrupt = new AbortController();
  const stop = onSignals(['SIGINT', 'SIGTERM', 'SIGHUP'], clock, () => {
    if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
    interrupt.abort();
  });
  try {
    const { profile_overlay: configured } = loadConfigForCli(options).values.hardware;
    const file = resolve(options.out ?? configured);
    const measured = await measure(options, interrupt.signal);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileAtomic(file, `${JSON.stringify(measured.overlay, null, 2)}\n`, 0o644);
    report(options, measured, file);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    throw new CliError(
      EXIT.interrupted,
      'interrupted: clocks are as they were, nothing was written',
    );
  } finally {
    stop();
  }
}
