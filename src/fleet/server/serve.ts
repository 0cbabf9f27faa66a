import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { brokerCredentials, type Config, readSecretFile } from '../../config/index.ts';
import {
  type Clock,
  type Logger,
  packageVersion,
  Scope,
  toTwowattError,
} from '../../core/index.ts';
import { createLimiter } from '../../gateway/http/access/index.ts';
import { type FleetLink, openFleetLink } from '../../gateway/mqtt/fleet/index.ts';
import type { AlertRecord, FleetSettings, Overview } from '../../protocol/fleet/index.ts';
import { nodeTopics } from '../../protocol/index.ts';
import { openStore } from '../store/index.ts';
import { createAccounts } from './accounts.ts';
import { createActions } from './actions.ts';
import { createAlertOut } from './alert-out.ts';
import { createAlerts } from './alerts.ts';
import { createFleetEvents } from './http/events.ts';
import { createIntake } from './intake.ts';
import { startJobs } from './jobs.ts';
import { buildOverview } from './overview.ts';
import type { FleetParts } from './parts.ts';
import { createRegistry } from './registry.ts';
import { createRequests } from './requests.ts';
import { createRollouts } from './rollouts.ts';

const KEEPALIVE_S = 60;
/** The largest that MQTT knows: telemetry is acknowledged by the batch. */
const RECEIVE_MAXIMUM = 65_535;
const LOGINS_PER_MINUTE = 10;
/** The overview is made at most so often, however many ask. */
const OVERVIEW_AGE_MS = 1000;

export type FleetServer = { url: string; close(): Promise<void> };

export type FleetOptions = {
  config: Config;
  clock: Clock;
  logger: Logger;
  env: Readonly<Record<string, string | undefined>>;
  /** Folder of the page; default: where the build leaves it. */
  pageFolder?: string;
};

/** What a server listens to. The shared subscription stores, the plain one of QoS 0 is for the page. */
function subscriptionsOf(base: string, share: string, protocol: 4 | 5) {
  const all = nodeTopics(base, '+');
  const plain = [all.state, all.info, all.health, all.response('+')];
  const shares = share !== '' && protocol === 5;
  return [
    ...plain.map((topic) => ({ topic, qos: 1 as const })),
    { topic: all.telemetry, qos: shares ? (0 as const) : (1 as const) },
    ...(shares ? [{ topic: `$share/${share}/${all.telemetry}`, qos: 1 as const }] : []),
  ];
}

/** Starts everything; rejects when the store cannot be opened or the port is taken. A broker may come later. */
export async function startFleet(options: FleetOptions): Promise<FleetServer> {
  const { config, clock, logger } = options;
  const { fleet, mqtt } = config;
  const base = mqtt.base_topic;
  const serverId = fleet.server_id || config.node.id.replaceAll(/[^A-Za-z0-9_-]/g, '-');
  const scope = new Scope();
  try {
    const store = await openStore(fleet.store, logger, () => clock.wallMs());
    scope.defer('store', () => store.close());
    const registry = createRegistry({ clock, staleAfterMs: fleet.stale_after_s * 1000 });
    registry.restore(await store.loadBoards());

    let link: FleetLink | undefined;
    let broker: Overview['broker'] = { connected: false, detail: 'connecting' };
    const publish = (topic: string, payload: string, retain = false) =>
      link?.publish(topic, payload, retain) ?? Promise.resolve(false);
    const requests = createRequests({
      base,
      clock,
      timeoutMs: fleet.request_timeout_s * 1000,
      publish,
    });
    const intake = createIntake({
      base,
      registry,
      store,
      clock,
      logger,
      storesQos0: false,
      onResponse: (node, payload) => requests.answered(node, payload),
    });
    const version = packageVersion();
    const events = createFleetEvents({ registry, clock, version });
    scope.defer('events', () => events.close());
    const alertOut = createAlertOut({ base, clock, logger, publish });
    const alerts = createAlerts({
      store,
      registry,
      clock,
      logger,
      tell(alert: AlertRecord, rule) {
        events.tell('alert', alert);
        if (rule !== undefined) alertOut.send(alert, rule);
      },
    });
    const actions = createActions({
      registry,
      requests,
      store,
      clock,
      serverId,
      tell: (action) => events.tell('action', action),
    });
    const rollouts = createRollouts({
      registry,
      actions,
      store,
      clock,
      serverId,
      tell: (rollout) => events.tell('rollout', rollout),
    });
    await actions.endOrphans();
    await rollouts.haltOrphans();

    let overview: { value: Overview; atMs: number } | undefined;
    let leads = false;
    const parts: FleetParts = {
      version,
      clock,
      logger,
      store,
      registry,
      intake,
      requests,
      alerts,
      actions,
      rollouts,
      accounts: createAccounts(store, clock),
      events,
      loginLimiter: createLimiter(LOGINS_PER_MINUTE, clock),
      overview() {
        const now = clock.monotonicMs();
        if (overview === undefined || now - overview.atMs >= OVERVIEW_AGE_MS) {
          const value = buildOverview(registry, {
            nowMs: clock.wallMs(),
            alerts: alerts.counts(),
            messages_per_s: intake.messagesPerS(),
            broker,
          });
          overview = { value, atMs: now };
        }
        return { ...overview.value, broker };
      },
      settings: async () =>
        ((await store.document('setting', 'retention'))?.body as FleetSettings | undefined) ?? {
          ...fleet.retention,
        },
      async forget(node) {
        const { state, info, health } = nodeTopics(base, node);
        for (const topic of [state, info, health]) await publish(topic, '', true);
        registry.remove(node);
        await store.removeBoard(node);
      },
      leads: () => leads,
    };

    const { createApp } = await import('./http/app.ts');
    const { cert_file: cert, key_file: key } = fleet.tls;
    const metricsKey = 'fleet.metrics_token_file';
    const metricsToken =
      fleet.metrics_token_file === ''
        ? undefined
        : readSecretFile(fleet.metrics_token_file, { key: metricsKey, env: options.env });
    const app = await createApp(parts, {
      host: fleet.host,
      allowedHosts: fleet.allowed_hosts,
      trustedProxies: fleet.trusted_proxies,
      proxyUserHeader: fleet.proxy_user_header.toLowerCase(),
      proxyRoleHeader: fleet.proxy_role_header.toLowerCase(),
      ...(metricsToken === undefined ? {} : { metricsToken }),
      ...(cert === '' ? {} : { tls: { cert: readFileSync(cert), key: readFileSync(key) } }),
      ...(options.pageFolder === undefined ? {} : { pageFolder: options.pageFolder }),
    });
    await app.listen({ host: fleet.host, port: fleet.port });
    scope.defer('web server', () => app.close());

    const jobs = startJobs(parts, {
      onLeads(now) {
        leads = now;
      },
    });
    scope.defer('jobs', () => jobs.stop());
    scope.defer('intake', () => intake.close());
    link = openFleetLink({
      url: mqtt.url,
      ...brokerCredentials(mqtt, options.env),
      clientId: `twowatt-fleet-${serverId}`,
      keepaliveS: KEEPALIVE_S,
      sessionExpiryS: fleet.session_expiry_s,
      receiveMaximum: RECEIVE_MAXIMUM,
      subscriptions: (protocol) => subscriptionsOf(base, fleet.share, protocol),
      clock,
      logger,
      onMessage: (message, next) => intake.receive(message, next),
      onConnection(connected, detail) {
        broker = { connected, detail };
        if (connected) logger.info({}, detail);
      },
    });
    const opened = link;
    scope.defer('broker', () => opened.close());
    const { port } = app.server.address() as AddressInfo;
    const shown = fleet.host.includes(':') ? `[${fleet.host}]` : fleet.host;
    return {
      url: `http${cert === '' ? '' : 's'}://${shown}:${port}`,
      close: () => scope.close(),
    };
  } catch (error) {
    await scope.close();
    throw toTwowattError(error);
  }
}
