import { join } from 'node:path';
import type { Cloud } from '../cloud/index.ts';
import type { Config } from '../config/index.ts';
import type { Clock, Logger } from '../core/index.ts';
import { createHostFacts, createTimeSync } from '../hardware/index.ts';
import type { HttpGateway } from '../gateway/http/index.ts';
import type { MqttGateway } from '../gateway/mqtt/index.ts';
import type { EngineStatus, HealthCode, Telemetry } from '../protocol/index.ts';
import type { CorruptReport, Journal } from '../queue/index.ts';
import type { Pipeline } from '../service/index.ts';
import {
  buildTelemetry,
  createForwarder,
  createHealth,
  createTelemetryPublisher,
} from '../telemetry/index.ts';
import type { Governing } from './governing.ts';
import type { ModelEngine, Trouble } from './model-engine.ts';

/** How often conditions that nobody announces (disk, queue, clock) are looked at. */
const LOOK_PERIOD_MS = 5_000;

/**
 * How often values that nobody announces (temperature, memory) are looked at: about 1 ms of CPU each time.
 * Somebody who has the live page or `twowatt top` open wants to see them move.
 */
const UNWATCHED_LOOK_MS = 10_000;
const WATCHED_LOOK_MS = 1_000;

/** In the state folder: telemetry that no broker has taken yet. */
const BACKLOG_FILE = 'telemetry-backlog.json';

const TROUBLES: readonly Trouble[] = ['model_missing', 'model_corrupt', 'engine_unavailable'];

/** Conditions that the governor alone raises and clears. */
const GOVERNOR_CODES: readonly HealthCode[] = [
  'sensor_missing',
  'sensor_stale',
  'sensor_implausible',
  'power_estimated',
  'over_budget',
  'budget_below_step',
  'too_hot',
  'throttled',
  'under_voltage',
  'actuator_denied',
];

export type Reporting = ReturnType<typeof startReporting>;

/** Per million tokens: what is configured, else the cheapest endpoint's. */
function baselinePrice({ baseline_price: set, endpoints }: Config['cloud']) {
  if (set.price_in > 0 || set.price_out > 0)
    return { priceIn: set.price_in, priceOut: set.price_out };
  const prices = endpoints.map(({ price_in: priceIn = 0, price_out: priceOut = 0 }) => ({
    priceIn,
    priceOut,
  }));
  const sum = (one: { priceIn: number; priceOut: number }) => one.priceIn + one.priceOut;
  return prices.toSorted((a, b) => sum(a) - sum(b))[0] ?? { priceIn: 0, priceOut: 0 };
}

/** Health and telemetry: gathers what the rooms know and publishes it. */
export function startReporting(options: {
  clock: Clock;
  logger: Logger;
  config: () => Config;
  startedAt: number;
  /** Name of the device profile; empty without one. */
  profile: string;
  /** The open journal turned out to be damaged: only opening it anew can set it aside. */
  onJournalDamaged: () => void;
}) {
  const { clock, logger, config, profile } = options;
  let gateway: MqttGateway | undefined;
  let greet: (() => void) | undefined;
  let http: HttpGateway | null = null;
  let poke: (() => void) | undefined;
  let alsoTo: ((message: Telemetry) => void) | undefined;
  let lookNow: (() => Promise<Telemetry>) | undefined;
  let last: Telemetry | null = null;
  const health = createHealth({
    clock,
    onChange(conditions) {
      gateway?.publishHealth(conditions);
      http?.announce('health', conditions);
    },
  });
  const closers: (() => void)[] = [() => health.close()];
  const hold = (code: HealthCode, text: string | null) =>
    text === null ? health.clear(code) : health.raise(code, { text });

  function engineHealth(status: EngineStatus, trouble: Trouble | null): void {
    const text = status.problem?.message ?? 'it cannot be started';
    for (const code of TROUBLES) hold(code, code === trouble ? text : null);
    hold(
      'engine_restarting',
      status.state === 'restarting' ? `started again ${status.restarts} times so far` : null,
    );
  }

  function cloudHealth(cloud: Cloud | null): void {
    const state = cloud?.state();
    const down = state !== undefined && !state.reachable;
    const problems = state?.endpoints.flatMap(({ name, problem }) =>
      problem === null ? [] : [`${name}: ${problem}`],
    );
    hold(
      'cloud_unreachable',
      down ? `prompts stay on the board (${problems?.join(', ') || 'no endpoint answers'})` : null,
    );
    const { budget } = state ?? {};
    hold(
      'cloud_budget_exhausted',
      budget?.exhausted === true
        ? `${budget.spent.toFixed(4)} of ${budget.limit} ${budget.currency} are spent today; prompts stay on the board`
        : null,
    );
  }

  function lookAround(journal: Journal, cloud: Cloud | null): void {
    cloudHealth(cloud);
    const { depth, problem } = journal.counts();
    const most = config().queue.max_depth;
    hold('queue_full', depth >= most ? `${depth} prompts wait, at most ${most} may` : null);
    const writable = problem !== 'disk_full' && problem !== 'read_only' && problem !== 'io';
    hold(
      'disk_full',
      writable ? null : `the journal cannot be written (${problem}); answers wait in memory`,
    );
    if (problem === 'corrupt') {
      health.raise('journal_corrupt', { text: 'found damaged in use; a restart sets it aside' });
      options.onJournalDamaged();
    }
    hold(
      'clock_unsynchronised',
      clock.wallTrusted() ? null : 'time stamps are wrong until the network sets the clock',
    );
  }

  return {
    governorConditions(conditions: Map<HealthCode, string>) {
      for (const code of GOVERNOR_CODES) hold(code, conditions.get(code) ?? null);
    },
    connection(state: 'connected' | 'disconnected', detail: string) {
      hold('broker_disconnected', state === 'connected' ? null : detail);
      if (state === 'connected') greet?.();
    },
    duplicateNode: (detail: string | null) => hold('duplicate_node_id', detail),
    journalCorrupt({ movedTo, reason, goesOn }: CorruptReport) {
      const fate = goesOn ? 'what could be read goes on' : 'begun anew';
      hold('journal_corrupt', `set aside as ${movedTo} (${reason}); ${fate}`);
    },
    /** The last telemetry that was made, at most ten seconds ago, whether or not a broker took it. */
    lastTelemetry: () => last,
    conditions: () => health.list(),
    /** Somebody looks, or a setting has changed: make telemetry soon. */
    watched: () => poke?.(),
    /** Somebody new listens on the telemetry topic. */
    greet: () => greet?.(),
    /** Somebody else who gets every message when it is due, whether or not the broker does. */
    alsoTo(listener: (message: Telemetry) => void) {
      alsoTo = listener;
    },
    lookNow: async () => (await lookNow?.()) ?? null,
    /** Begins to watch and publish, once everything that is watched exists. */
    attach(rooms: {
      engine: ModelEngine;
      journal: Journal;
      pipeline: Pipeline;
      gateway: MqttGateway;
      http: HttpGateway | null;
      governing: Governing;
      cloud: Cloud | null;
    }) {
      const { engine, journal, pipeline, governing, cloud } = rooms;
      gateway = rooms.gateway;
      http = rooms.http;
      const hostFacts = createHostFacts({ diskPath: config().node.state_folder });
      const isSynchronised = createTimeSync({ clock });
      const forwarder = createForwarder({
        clock,
        logger,
        publish: (message) => rooms.gateway.publishTelemetry(message),
        online: () => rooms.gateway.connected(),
        synchronised: isSynchronised,
        bounds: () => ({
          maxBytes: config().telemetry.offline_max_bytes,
          maxAgeMs: config().telemetry.offline_max_age_s * 1000,
        }),
        file: join(config().node.state_folder, BACKLOG_FILE),
      });
      const publisher = createTelemetryPublisher({
        clock,
        logger,
        publish(message) {
          forwarder.offer(message);
          alsoTo?.(message);
        },
        intervals: () => ({
          busyMs: config().telemetry.interval_s * 1000,
          idleMs: config().telemetry.idle_interval_s * 1000,
          minMs: config().telemetry.min_interval_s * 1000,
        }),
        lookPeriodMs: () => (http?.watched() === true ? WATCHED_LOOK_MS : UNWATCHED_LOOK_MS),
        collect,
      });
      async function collect(): Promise<Telemetry> {
        const sample = governing.sample();
        const { energyTokens, energyJoules } = pipeline.totals();
        last = buildTelemetry({
          wallMs: clock.wallMs(),
          node: config().node.id,
          profile,
          uptimeS: (clock.monotonicMs() - options.startedAt) / 1000,
          clock: {
            synchronised: isSynchronised(),
            bootId: clock.bootId(),
            bootMs: clock.monotonicMs(),
          },
          budgetW: config().governor.budget_w,
          scope: config().governor.scope,
          temperatureLimitC: config().governor.temperature_limit_c,
          socTemperature: sample.socC,
          throttled: sample.throttled,
          underVoltage: sample.underVoltage,
          governor: governing.decision(),
          boardW: sample.boardW.ok ? sample.boardW.value : null,
          joulesPerToken: energyTokens > 0 ? energyJoules / energyTokens : null,
          joulesTotal: energyJoules,
          engine: engine.status(),
          slots: 1,
          slotsBusy: pipeline.slotsBusy(),
          queue: journal.counts(),
          totals: pipeline.totals(),
          currency: config().cloud.currency,
          baseline: baselinePrice(config().cloud),
          host: await hostFacts(),
        });
        http?.announce('telemetry', last);
        return last;
      }
      lookNow = collect;
      poke = () => publisher.poke();
      greet = () => {
        publisher.greet();
        forwarder.connected();
      };
      if (rooms.gateway.connected()) greet();
      const noteEngine = () => {
        engineHealth(engine.status(), engine.trouble());
        publisher.poke();
      };
      const look = clock.setRepeating(LOOK_PERIOD_MS, () => lookAround(journal, cloud));
      closers.push(
        engine.onStatus(noteEngine),
        () => forwarder.close(),
        () => publisher.close(),
        () => look.cancel(),
      );
      noteEngine();
      lookAround(journal, cloud);
      rooms.gateway.publishHealth(health.list());
    },
    close() {
      for (const close of closers.toReversed()) close();
    },
  };
}
