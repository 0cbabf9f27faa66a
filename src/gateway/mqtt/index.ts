/**
 * gateway/mqtt: the node on a broker. Topics, packets and properties of contract section 1; what a
 * prompt says is the service's business.
 *
 * Promises:
 * - a QoS 1 prompt is acknowledged only after its handler is through; until then the broker keeps it;
 * - `deliver` is true only after the broker took the answer, and false at once without a connection;
 * - memory is bounded both ways: by `receiveMaximum`, by windows, and by dropping deltas;
 * - the connection comes back by itself, without hammering the broker or fighting a second node.
 *
 * One mqtt.js client lives for one connection only, and we reconnect ourselves: its stores and
 * queues would otherwise be a second, forgetful journal beside ours; the protocol version may change
 * from one connection to the next; and delays run on the injected clock, with jitter.
 */
export { connectDevice, type DeviceClient, UnreachableError } from './device-client.ts';
export { startEmbeddedBroker } from './embedded-broker.ts';
export { createMqttGateway } from './gateway.ts';
export { type BrokerLook, type BrokerProbeOptions, probeBroker } from './probe.ts';
export type { MqttGateway, MqttGatewayHandlers, MqttGatewayOptions } from './types.ts';
