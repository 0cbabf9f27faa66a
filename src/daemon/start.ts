import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ConfigChange, type LoadedConfig, planReload } from '../config/index.ts';
import {
  type Clock,
  createQuietCollector,
  newId,
  packageVersion,
  Scope,
  sleep,
} from '../core/index.ts';
import { chooseProfile, openSensors } from '../hardware/index.ts';
import type { GateFit, ModelFacts } from '../protocol/index.ts';
import { openJournal } from '../queue/index.ts';
import { createPipeline, type Pipeline } from '../service/index.ts';
import { buildInfo } from './info.ts';
import type { RootLogger } from './logger.ts';
import { startGoverning } from './governing.ts';
import { createModelEngine } from './model-engine.ts';
import { openHttp, servedModels, startHttp } from './open-http.ts';
import { openMqtt } from './open-mqtt.ts';
import { openTracing } from './open-tracing.ts';
import { openCloud } from './cloud-client.ts';
import { createDecisions } from './decisions.ts';
import { openHomeAssistant } from './home-assistant.ts';
import { prepareEngine } from './prepare-engine.ts';
import { createReplyPort } from './reply-port.ts';
import { createRouting, openPrivacyGuard } from './routing.ts';
import { openSparkplug } from './sparkplug.ts';
import { startReporting } from './reporting.ts';
import type { WatchedWork } from './sd-notify.ts';
import { answerVerb } from './verbs.ts';
import { watchedWork } from './watched-work.ts';

/** Runs of one prompt before it counts as the cause of the crashes. */
const MAX_ATTEMPTS = 3;
/** How long a stop lets running prompts finish; systemd waits 90 s before it kills. */
const DRAIN_MS = 20_000;
/** Decisions that the board's own page shows. */
const PAGE_DECISIONS = 50;
const GATEWAY_CLOSE_MS = 3_000;
/** A service manager should not wait longer than this for a model: prompts wait on disk meanwhile. */
const READY_PATIENCE_MS = 60_000;

export type Daemon = {
  /** The model is loaded (or known to be unavailable) and the broker was tried. */
  ready: Promise<void>;
  model(): ModelFacts | null;
  /** Where HTTP is served; null when it is switched off. */
  httpAddress(): { host: string; port: number } | null;
  /** What the service manager's watchdog should look at. */
  work: readonly WatchedWork[];
  /** Takes a configuration that was read anew: what can change live does, the rest waits for a restart. */
  reload(next: LoadedConfig): ConfigChange;
  /** Finishes or puts back what runs, says offline, closes everything. Safe to call twice. */
  stop(reason: string): Promise<void>;
};

export type DaemonOptions = {
  config: LoadedConfig;
  clock: Clock;
  logger: RootLogger;
  /** Somebody asked over MQTT for a restart of the process. */
  requestRestart: (reason: string) => void;
};

/** Builds and starts everything. Throws a coded error when the journal or a secret cannot be had. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { clock, logger } = options;
  const scope = new Scope();
  let loaded = options.config;
  const config = loaded.values;
  const node = config.node.id;
  const instance = newId();
  const startedAt = clock.monotonicMs();
  // Once: it reads a file, and there may be no descriptor for one later.
  const version = packageVersion();
  for (const problem of loaded.problems) {
    logger.warn({ key: problem.key, reason: problem.message }, 'a value set over MQTT is ignored');
  }
  try {
    const { match } = chooseProfile(config.hardware);
    const profile = match?.profile.name ?? '';
    if (match) logger.info({ profile, why: match.why }, 'device profile');
    else logger.warn({}, 'no device profile fits this board');
    if (match?.overlay.state === 'applied') {
      const { at, model } = match.overlay.overlay.measured;
      logger.info({ file: match.overlay.file, at, model: model.id }, 'calibrated figures in use');
    } else if (match?.overlay.state === 'ignored') {
      const { file, why } = match.overlay;
      logger.warn({ file, why }, 'calibrated figures are ignored; the profile’s own are in use');
    }
    const reporting = startReporting({
      clock,
      logger,
      config: () => loaded.values,
      startedAt,
      profile,
      onJournalDamaged: () => options.requestRestart('the journal is damaged'),
    });

    ensureFolder(config.node.state_folder);
    ensureFolder(dirname(config.queue.path));
    const journal = openJournal({
      path: config.queue.path,
      clock,
      logger: logger.child({ room: 'queue' }),
      limits: {
        maxDepth: config.queue.max_depth,
        maxBytes: config.queue.max_bytes,
        retentionMs: config.queue.retention_s * 1000,
        dedupeWindowMs: config.queue.dedupe_window_s * 1000,
        maxAttempts: MAX_ATTEMPTS,
      },
      onCorrupt: (report) => reporting.journalCorrupt(report),
    });
    scope.defer('journal', () => journal.close());

    const tracing = await openTracing(config, clock, logger);
    scope.defer('tracing', () => tracing.close());
    const governing = startGoverning({
      config: () => loaded.values,
      profile: match?.profile ?? null,
      sensors: openSensors({
        sysfsRoot: config.hardware.sysfs_root,
        procRoot: config.hardware.proc_root,
        vcgencmd: config.hardware.vcgencmd,
        profile: match?.profile ?? null,
        clock,
        pid: process.pid,
        logger: logger.child({ room: 'hardware' }),
      }),
      clock,
      logger: logger.child({ room: 'governor' }),
      onConditions: (conditions) => reporting.governorConditions(conditions),
    });
    scope.defer('governor', () => governing.close());

    let gateFit: GateFit | null = null;
    const abort = new AbortController();
    const engineLogger = logger.child({ room: 'engine' });
    const engine = createModelEngine({
      clock,
      logger: engineLogger,
      prepare: async () => {
        const started = await prepareEngine(loaded.values, clock, engineLogger, abort.signal);
        governing.govern(started.engine, started.manifest, started.folder);
        gateFit = started.gate;
        started.engine.start();
        return started.engine;
      },
    });
    scope.defer('engine', async () => {
      abort.abort();
      await engine.close();
    });

    const homeAssistant = await openHomeAssistant({
      config,
      profile,
      clock,
      logger: logger.child({ room: 'home-assistant' }),
      onBirth: () => reporting.greet(),
    });

    // The gateway calls the pipeline and the pipeline the gateway: one of them has to come later.
    let pipeline: Pipeline | undefined;
    const { promise: brokerTried, resolve: brokerWasTried } = Promise.withResolvers<void>();
    const { gateway, brokerUrl } = await openMqtt({
      config,
      instance,
      watch: homeAssistant?.watch ?? [],
      handlers: {
        onPrompt: async (message) => pipeline?.submit(message),
        onWatched: (topic, payload) => homeAssistant?.onWatched(topic, payload),
        onRetained: (topic) => homeAssistant?.onRetained(topic),
        onCancel: (id) => pipeline?.cancel(id, { kind: 'mqtt' }),
        onVerb: (verb, args) => answerVerb(verb, args, verbContext()),
        onConnection(state, detail) {
          brokerWasTried();
          reporting.connection(state, detail.message);
          if (state === 'connected') pipeline?.connected();
        },
        onDuplicateNode: (detail) => reporting.duplicateNode(detail),
        onDuplicateNodeGone: () => reporting.duplicateNode(null),
      },
      logger,
      clock,
      scope,
    });
    scope.defer('gateway', () => gateway.close(GATEWAY_CLOSE_MS));

    const decisions = createDecisions(clock);
    const http = openHttp({
      config,
      instance,
      handlers: {
        onPrompt: async (message) => pipeline?.submit(message),
        onCancel: (id, topic) => pipeline?.cancel(id, { kind: 'http', topic }),
        models: () => servedModels(engine.status().model, config.cloud.endpoints),
        ready() {
          const { state } = engine.status();
          return { model: state === 'ready' || state === 'busy', broker: gateway.connected() };
        },
        telemetry: () => reporting.lastTelemetry(),
        health: () => reporting.conditions(),
        onListener: () => reporting.watched(),
        decisions: () => decisions.list({ limit: PAGE_DECISIONS }),
      },
      logger,
      clock,
    });
    scope.defer('http', async () => http?.close(GATEWAY_CLOSE_MS));

    const cloud = await openCloud(config, clock, logger);
    scope.defer('cloud', async () => cloud?.close());
    const garbage = createQuietCollector({ clock, isQuiet: () => pipeline?.busy() === 0 });
    // Reading the configuration and converting the model have left some.
    void engine.settled.then(() => garbage.worked());
    const running = createPipeline({
      node,
      // Read at each prompt: privacy may be tightened over MQTT while we run.
      rules: () => ({
        node,
        baseTopic: config.mqtt.base_topic,
        maxPayloadBytes: config.queue.max_payload_bytes,
        hasCloud: cloud !== null,
        privacyDefault: loaded.values.router.privacy_default,
        privacyTopics: loaded.values.router.privacy_topics,
      }),
      slots: 1,
      routing: createRouting({
        config: () => loaded.values,
        beyond: cloud && { cloud, privacy: await openPrivacyGuard(config, cloud, clock, logger) },
        gateFit: () => gateFit,
        edgeModel: () => engine.status().model?.id ?? null,
        clock,
        random: Math.random,
      }),
      currency: config.cloud.currency,
      systemPrompt: config.model.system_prompt,
      logPrompts: () => loaded.values.log.prompts,
      clock,
      logger: logger.child({ room: 'service' }),
      journal,
      engine,
      port: createReplyPort({ mqtt: gateway, http }),
      tracing,
      meter: {
        ...governing.meter,
        pausedBy: () => governing.decision()?.pausedBy ?? null,
      },
      onAnswer(frame) {
        decisions.add(frame);
        http?.announce('answer', frame);
        garbage.worked();
      },
    });
    pipeline = running;
    scope.defer('pipeline', () => running.stop(DRAIN_MS));

    const publishInfo = () =>
      gateway.publishInfo(
        buildInfo({
          version,
          config,
          model: engine.status().model,
          profile,
        }),
      );
    scope.defer('status', engine.onStatus(publishInfo));
    reporting.attach({ engine, journal, pipeline: running, gateway, http, governing, cloud });
    scope.defer('reporting', () => reporting.close());
    const takeConfig = (next: LoadedConfig) => {
      loaded = next;
      logger.setLevels(next.values.log);
      governing.update();
      reporting.watched();
    };
    let draining = false;
    const verbContext = () => ({
      version,
      config: () => loaded,
      pipeline: running,
      decisions,
      lookNow: () => reporting.lookNow(),
      listModels: async () => {
        const { listModels } = await import('../model/index.ts');
        const models = await listModels({ cacheFolder: config.model.cache_path });
        return {
          active: engine.status().model,
          // Paths of the board are nobody's business on the broker.
          models: models.map(({ path: _path, ...facts }) => facts),
        };
      },
      setDraining(now: boolean) {
        draining = now;
        if (now) running.drain();
        else running.resume();
        http?.setDraining(now);
        gateway.publishState(now ? ('draining' as const) : ('online' as const));
        reporting.greet();
      },
      requestRestart: () => options.requestRestart('asked for over MQTT'),
      setConfig: takeConfig,
    });

    // Before the broker hands us prompts: a port that somebody chose and cannot have ends the start.
    const httpAddress = await startHttp(http, loaded, logger);
    gateway.publishState('online');
    publishInfo();
    homeAssistant?.attach(gateway);
    const sparkplug = await openSparkplug({
      config,
      brokerUrl,
      clock,
      logger: logger.child({ room: 'sparkplug' }),
      draining: () => draining,
      lastTelemetry: () => reporting.lastTelemetry(),
      request: (verb, args) => answerVerb(verb, args, verbContext()),
    });
    if (sparkplug !== null) {
      scope.defer('sparkplug', () => sparkplug.close());
      reporting.alsoTo((message) => sparkplug.telemetry(message));
    }
    gateway.start();

    let stopping: Promise<void> | undefined;
    return {
      ready: Promise.race([
        Promise.all([engine.settled, brokerTried]).then(() => undefined),
        sleep(clock, READY_PATIENCE_MS),
      ]),
      model: () => engine.status().model,
      httpAddress: () => httpAddress,
      work: watchedWork({
        engine,
        pipeline: running,
        governing,
        stopping: () => stopping !== undefined,
      }),
      reload(next) {
        const { change, config: taken } = planReload(loaded, next);
        takeConfig(taken);
        return change;
      },
      stop(reason) {
        stopping ??= (async () => {
          logger.info({ reason }, 'draining');
          gateway.publishState('draining');
          http?.setDraining(true);
          await scope.close();
          logger.info({}, 'stopped');
        })();
        return stopping;
      },
    };
  } catch (error) {
    await scope.close().catch((closing: unknown) => logger.error({ error: closing }, 'clean-up'));
    throw error;
  }
}

/** What lies in here is private: prompts and answers. */
function ensureFolder(folder: string): void {
  if (mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(folder, 0o700);
}
