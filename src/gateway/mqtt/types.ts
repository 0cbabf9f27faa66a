import type { HealthCondition, InfoMessage, Telemetry, Verb } from '../../protocol/index.ts';
import type { PublishOutcome } from './connection.ts';
import type { InboundPrompt, ReplyPort } from '../../service/ports.ts';

export type MqttTlsOptions = {
  /** PEM. The authority that signed the broker's certificate, when it is not a public one. */
  ca?: string | Buffer;
  /** PEM. Client certificate and key, for brokers that ask for them (mutual TLS). */
  cert?: string | Buffer;
  key?: string | Buffer;
  /** False accepts any certificate: for a bench, never for the field. Default true. */
  rejectUnauthorized?: boolean;
};

export type MqttGatewayOptions = {
  /** `mqtt://host:1883` or `mqtts://host:8883`. */
  url: string;
  baseTopic: string;
  node: string;
  pools: readonly string[];
  /** Made anew at each start of the daemon; tells two live nodes of one id apart. */
  instance: string;
  username?: string;
  password?: string;
  /** A function is called for each connection, so that renewed certificates are taken up. */
  tls?: MqttTlsOptions | (() => MqttTlsOptions);
  /** Seconds between pings on an idle connection; a dead peer is noticed after one and a half. */
  keepaliveS: number;
  /** How many prompts may wait here for their acknowledgement; the rest wait at the broker. */
  receiveMaximum: number;
  /** Seconds for which the broker keeps our session, and prompts for us, while we are away. */
  sessionExpiryS: number;
  /** Longer payloads reach the handlers cut off (see InboundPrompt.payload). */
  maxPayloadBytes: number;
  /** `auto` prefers MQTT 5 and falls back to 3.1.1 when the broker refuses it. */
  protocol?: 'auto' | 4 | 5;
  /** Topics of others that are listened to at QoS 0, such as Home Assistant's birth message. */
  watch?: readonly string[];
  /** Jitter of the reconnect delays, 0 to 1. */
  random?: () => number;
};

type ConnectionDetail = {
  /** For people: what happened and what to do about it. */
  message: string;
  /** MQTT version in use; 0 while there is none. */
  protocol: 0 | 4 | 5;
};

export type MqttGatewayHandlers = {
  /**
   * Called for every prompt, in order of arrival, one at a time. The broker gets its acknowledgement
   * when the promise settles: it must then be on disk, or refused. A rejection is logged and
   * acknowledged all the same. Must not wait for `deliver`: with the intake full, the
   * acknowledgement that `deliver` waits for stands behind prompts that wait for this call.
   */
  onPrompt: (message: InboundPrompt) => Promise<void>;
  /** Called in order with the prompts: never before the prompt that was sent before it. */
  onCancel: (id: string) => void;
  /** Resolves to the response's `data`; a TwowattError becomes its `error`. Requests run side by side. */
  onVerb: (verb: Verb, args: Record<string, unknown>) => Promise<unknown>;
  /** `connected`: subscribed and ready to deliver, so unsent answers can be sent now. */
  onConnection: (state: 'connected' | 'disconnected', detail: ConnectionDetail) => void;
  /** A message on one of the watched topics; not what was retained there. */
  onWatched?: (topic: string, payload: Buffer) => void;
  /** The broker has taken a retained document, or the removal of one. */
  onRetained?: (topic: string) => void;
  onDuplicateNode: (detail: string) => void;
  onDuplicateNodeGone: () => void;
};

export interface MqttGateway extends ReplyPort {
  /** Begins to connect, and goes on until `close`; never throws for a broker that is away. */
  start(): void;
  connected(): boolean;
  /** The MQTT version in use; undefined while there is no connection. */
  protocol(): 4 | 5 | undefined;
  /** Draining also leaves the pools, so that their prompts go to other boards. */
  publishState(state: 'online' | 'draining'): void;
  /** Adds the features that depend on the broker (`mqtt5`, `pools`) to `info.features`. */
  publishInfo(info: InfoMessage): void;
  publishHealth(conditions: HealthCondition[]): void;
  /** Any other retained document, sent again with each connection; null removes it from the broker. */
  publishRetained(topic: string, value: object | null): void;
  /** Sends a retained document once more, though it is unchanged: somebody has started to listen. */
  resendRetained(topic: string): void;
  /** `lost` at once without a connection, or while the one before is not yet acknowledged. */
  publishTelemetry(telemetry: Telemetry): Promise<PublishOutcome>;
  /**
   * Leaves the pools, waits for the prompt in work and for answers on their way, says `offline` and
   * disconnects; after `deadlineMs` it cuts the connection. Prompts that were not yet handed to
   * `onPrompt` stay with the broker.
   */
  close(deadlineMs: number): Promise<void>;
}
