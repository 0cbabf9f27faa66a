import { type Clock, newId, sleep } from '../../core/index.ts';
import { nodeTopics } from '../../protocol/index.ts';
import {
  type BrokerAddress,
  type Connection,
  type ConnectionEnd,
  openConnection,
  parseBrokerUrl,
} from './connection.ts';
import type { MqttTlsOptions } from './types.ts';

export type BrokerProbeOptions = {
  url: string;
  baseTopic: string;
  node: string;
  username?: string;
  password?: string;
  tls?: MqttTlsOptions;
  clock: Clock;
  /** How long the broker may take to accept us, for each version of MQTT that is tried. */
  timeoutMs: number;
};

/** Who answers at the broker's address, and what it keeps of our node. */
export type BrokerLook =
  | {
      ok: true;
      where: string;
      protocol: 4 | 5;
      /** What the broker calls itself (`$SYS/broker/version`); null when it keeps that to itself. */
      server: string | null;
      /** Retained payloads of our node's topics as they came; null where there is none. */
      retained: Record<RetainedName, string | null>;
    }
  | {
      ok: false;
      where: string;
      /** True when nothing answered; false when it answered and refused us, or TLS failed. */
      unreachable: boolean;
      message: string;
    };

type RetainedName = 'state' | 'info' | 'health';

/** A broker sends what it retains right after the SUBACK; without any there is nothing to wait for. */
const LISTEN_MS = 400;
const SERVER_TOPIC = '$SYS/broker/version';
const LARGEST_PACKET_BYTES = 262_144;

/** Kinds of problem (see problems.ts) that mean that nobody speaks MQTT there. */
const UNREACHABLE = new Set(['dns', 'refused', 'unreachable', 'timeout', 'reset', 'closed']);

/** One attempt with one version: the open connection, or how it ended. */
function attempt(
  options: BrokerProbeOptions,
  address: BrokerAddress,
  protocol: 4 | 5,
  onRetained: (topic: string, payload: string) => void,
): Promise<{ connection: Connection } | { end: ConnectionEnd }> {
  return new Promise((resolve) => {
    const credentials = {
      ...(options.username === undefined ? {} : { username: options.username }),
      ...(options.password === undefined ? {} : { password: options.password }),
    };
    const connection = openConnection(
      {
        address: { ...address, ...credentials },
        ...(options.tls === undefined ? {} : { tls: options.tls }),
        protocol,
        clientId: `twowatt-doctor-${newId()}`,
        keepaliveS: 60,
        receiveMaximum: 16,
        sessionExpiryS: 0,
        maximumPacketBytes: LARGEST_PACKET_BYTES,
        will: null,
        clean: true,
      },
      {
        onAccepted() {
          patience.cancel();
          resolve({ connection });
        },
        onMessage(packet, next) {
          if (packet.retain) onRetained(packet.topic, packet.payload.toString());
          next();
        },
        onEnd(end) {
          patience.cancel();
          resolve({ end });
        },
      },
    );
    const patience = options.clock.setTimer(options.timeoutMs, () => {
      const seconds = options.timeoutMs / 1000;
      resolve({
        end: {
          kind: 'timeout',
          message: `the broker at ${address.host}:${address.port} did not answer within ${seconds} s`,
          accepted: false,
          suspectsProtocol: undefined,
          takenOver: false,
        },
      });
      connection.end('cut');
    });
  });
}

/**
 * Connects as a stranger (a session of its own, no Last Will), MQTT 5 first as the daemon does,
 * listens for what the broker retains of our node, and leaves. Publishes nothing. Throws
 * `invalid_request` for a URL that the daemon could not use either.
 */
export async function probeBroker(options: BrokerProbeOptions): Promise<BrokerLook> {
  const address = parseBrokerUrl(options.url);
  const where = `${address.host}:${address.port}`;
  const topics = nodeTopics(options.baseTopic, options.node);
  const names: Record<RetainedName, string> = {
    state: topics.state,
    info: topics.info,
    health: topics.health,
  };
  const heard = new Map<string, string>();
  const listen = (topic: string, payload: string) => void heard.set(topic, payload);

  let protocol: 4 | 5 = 5;
  let reached = await attempt(options, address, protocol, listen);
  if ('end' in reached && reached.end.suspectsProtocol !== undefined) {
    protocol = 4;
    reached = await attempt(options, address, protocol, listen);
  }
  if ('end' in reached) {
    const { kind, message } = reached.end;
    return { ok: false, where, unreachable: UNREACHABLE.has(kind), message };
  }
  const { connection } = reached;
  try {
    const wanted = [...Object.values(names), SERVER_TOPIC];
    const enough = new AbortController();
    const asked = connection
      .subscribe(wanted.map((topic) => ({ topic, qos: 0 })))
      // A broker that lets nobody subscribe answers all the same: what it retains is a bonus.
      .catch(() => enough.abort());
    await sleep(options.clock, LISTEN_MS, enough.signal);
    await Promise.race([asked, sleep(options.clock, options.timeoutMs)]);
  } finally {
    connection.end('politely');
  }
  const retained = (name: RetainedName) => heard.get(names[name]) ?? null;
  return {
    ok: true,
    where,
    protocol,
    server: heard.get(SERVER_TOPIC) ?? null,
    retained: { state: retained('state'), info: retained('info'), health: retained('health') },
  };
}
