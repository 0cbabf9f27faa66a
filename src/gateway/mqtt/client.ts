import { connect, type MqttClient } from 'mqtt';
import { newId, TwowattError } from '../../core/index.ts';
import { errorProblem, refusalProblem } from './problems.ts';
import type { MqttTlsOptions } from './types.ts';

/** How a command reaches a broker. */
export type ClientOptions = {
  /** `mqtt://host:1883`, `mqtts://…`, `ws://…` or `wss://…`. */
  url: string;
  username?: string;
  password?: string;
  tls?: MqttTlsOptions;
  /** How long the broker may take to accept us, milliseconds (default 5000). */
  connectTimeoutMs?: number;
};

const CONNECT_TIMEOUT_MS = 5000;

/** The broker or the board cannot be reached; the message says what to look at. */
export class UnreachableError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnreachableError';
  }
}

function whereOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed !== undefined && /^(mqtts?|wss?):$/.test(parsed.protocol)) return parsed.host;
  throw new TwowattError(
    'invalid_request',
    `${url} is no broker URL; expected one such as mqtt://host:1883`,
    { param: 'broker' },
  );
}

/** Waits for the first connection: a person is waiting, so a broker that is away is an error at once. */
function firstConnection(client: MqttClient, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (problem?: string) => {
      client.off('connect', onConnect);
      client.off('error', onError);
      client.off('close', onClose);
      if (problem === undefined) resolve();
      else reject(new UnreachableError(problem));
    };
    const onConnect = () => settle();
    const onError = (error: Error & { code?: unknown }) => {
      // A number is the broker's own answer; a string names a fault of the network.
      settle(
        typeof error.code === 'number'
          ? refusalProblem(where, error.code).message
          : errorProblem(where, error).message,
      );
    };
    const onClose = () => settle(errorProblem(where, undefined).message);
    client.once('connect', onConnect);
    client.once('error', onError);
    client.once('close', onClose);
  });
}

/**
 * A client for a command that a person waits for: it fails at once when the broker is away, and mends
 * itself later. MQTT 3.1.1, the one version that every broker speaks. Throws UnreachableError.
 */
export async function connectClient(
  options: ClientOptions,
  purpose: string,
): Promise<{ client: MqttClient; where: string }> {
  const where = whereOf(options.url);
  const client = connect(options.url, {
    protocolVersion: 4,
    clientId: `twowatt-${purpose}-${newId()}`,
    clean: true,
    connectTimeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    reconnectPeriod: 1000,
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
    ...options.tls,
  });
  try {
    await firstConnection(client, where);
  } catch (error) {
    await client.endAsync(true).catch(() => undefined);
    throw error;
  }
  // Later faults mend themselves by reconnecting; without a listener they would end the process.
  client.on('error', () => undefined);
  return { client, where };
}
