import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import type { Config } from '../config/index.ts';
import { type Clock, isErrno, type Logger, processCpuMs, writeFileAtomic } from '../core/index.ts';
import type { EngineSupervisor } from '../engine/index.ts';
import {
  createGovernorLoop,
  createLaw,
  type Decision,
  type GovernorLoop,
  type GovernorSettings,
  keepOnlyTheDay,
  type Law,
} from '../governor/index.ts';
import { type BoardSensors, type DeviceProfile, openActuators } from '../hardware/index.ts';
import type { BoardSample, EnergyShare, HealthCode, ModelManifest } from '../protocol/index.ts';
import { boardOf, modelOf } from './governor-board.ts';

/** What was learnt is written down this often: a few kilobytes, so the card hardly notices. */
const SNAPSHOT_PERIOD_MS = 300_000;
/** In the state folder. */
export const GOVERNOR_STATE_FILE = 'governor.json';

export type Governing = {
  /** The latest decision; null before the engine has a model. */
  decision(): Decision | null;
  sample(): BoardSample;
  /** Decisions so far: several a second from the first model on, so a count that stands still is a fault. */
  decisions(): number;
  /** Brackets the energy of one answer. */
  meter: { begin(): void; end(): EnergyShare | null };
  /** Takes charge of an engine's pace, from its start on. */
  govern(engine: EngineSupervisor, manifest: ModelManifest, modelFolder: string): void;
  /** Settings have changed. */
  update(): void;
  close(): void;
};

/** The settings in the law's terms. */
export function settingsOf(config: Config): GovernorSettings {
  const { governor } = config;
  return {
    budgetW: governor.budget_w,
    scope: governor.scope,
    rail: governor.rail,
    energyWhPerDay: governor.energy_wh_per_day,
    windows: governor.windows.map((one) => ({ seconds: one.seconds, overPct: one.over_pct })),
    burstWindowS: governor.burst_window_s,
    temperatureLimitC: governor.temperature_limit_c,
  };
}

/** The law, its sensors and its actuators around a real engine. */
export function startGoverning(options: {
  config: () => Config;
  profile: DeviceProfile | null;
  sensors: BoardSensors;
  clock: Clock;
  logger: Logger;
  /** Codes that hold now, with their texts; every other code of the governor does not. */
  onConditions: (conditions: Map<HealthCode, string>) => void;
}): Governing {
  const { config, profile, sensors, clock, logger } = options;
  const snapshotPath = join(config().node.state_folder, GOVERNOR_STATE_FILE);
  const actuators = openActuators({
    sysfsRoot: config().hardware.sysfs_root,
    procRoot: config().hardware.proc_root,
    stateFolder: config().node.state_folder,
    logger,
  });
  let law: Law | undefined;
  let loop: GovernorLoop | undefined;
  let basis = '';
  let decisions = 0;

  const save = () => {
    if (law === undefined) return;
    try {
      mkdirSync(dirname(snapshotPath), { recursive: true, mode: 0o700 });
      writeFileAtomic(snapshotPath, JSON.stringify({ basis, state: law.snapshot() }));
    } catch (error) {
      logger.warn({ error }, 'what the governor has learnt could not be saved');
    }
  };
  const saving = clock.setRepeating(SNAPSHOT_PERIOD_MS, save);

  function conditionsOf(decision: Decision): Map<HealthCode, string> {
    const found = new Map(decision.conditions.map(({ code, text }) => [code, text]));
    const denied = actuators.denied();
    if (denied !== null) found.set('actuator_denied', `${denied}; steps are paced instead`);
    return found;
  }

  return {
    decision: () => loop?.decision() ?? null,
    sample: () => sensors.sample(),
    decisions: () => decisions,
    meter: {
      begin: () => loop?.startJob(),
      end: () => loop?.endJob() ?? null,
    },
    govern(engine, manifest, modelFolder) {
      loop?.close();
      const model = modelOf(manifest, modelFolder);
      basis = basisOf(profile, manifest);
      law = createLaw({
        settings: settingsOf(config()),
        board: boardOf(profile, model),
        model,
        nowMs: clock.monotonicMs(),
        state: readSnapshot(snapshotPath, basis),
      });
      let chunkRows: number | undefined;
      loop = createGovernorLoop({
        law,
        clock,
        sampleHz: config().governor.sample_hz,
        sample: () => sensors.sample(),
        ownCpuMs: processCpuMs,
        applyOrder(order) {
          // A profile may know more cores than this container or simulated board really has.
          const most = Math.min(order.threads, availableParallelism());
          const threads = config().engine.threads || most;
          if (threads !== engine.status().threads) engine.setThreads(threads);
          const { maxFreqKhz, canScale } = actuators.apply(order);
          return { threads, maxFreqKhz: canScale ? maxFreqKhz : null };
        },
        onDecision(decision) {
          decisions += 1;
          if (decision.chunkRows !== chunkRows) {
            chunkRows = decision.chunkRows;
            engine.setChunkRows(chunkRows);
          }
          options.onConditions(conditionsOf(decision));
        },
      });
      engine.setGate(loop.gate);
    },
    update() {
      law?.update(settingsOf(config()), clock.monotonicMs());
      loop?.poke();
    },
    close() {
      saving.cancel();
      loop?.close();
      save();
      actuators.close();
      sensors.close();
    },
  };
}

/**
 * Names what learnt ratios are ratios to: the figures of the profile, calibration included, and the
 * model. Other figures make what was learnt with these worthless.
 */
function basisOf(profile: DeviceProfile | null, manifest: ModelManifest): string {
  const figures = profile && [profile.name, profile.power, profile.operating_points];
  return createHash('sha256')
    .update(JSON.stringify([figures, manifest.digest]))
    .digest('hex')
    .slice(0, 16);
}

/** What an earlier life learnt; anything unreadable counts as nothing, and the law checks the rest. */
function readSnapshot(path: string, basis: string): unknown {
  try {
    const saved: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof saved !== 'object' || saved === null || !('state' in saved)) return undefined;
    const same = 'basis' in saved && saved.basis === basis;
    return same ? saved.state : keepOnlyTheDay(saved.state);
  } catch (error) {
    if (isErrno(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
