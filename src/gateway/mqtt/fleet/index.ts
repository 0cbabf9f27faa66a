/**
 * gateway/mqtt/fleet: MQTT for a fleet server and for simulated boards. A door of its own, so that a board's
 * daemon, which comes in by the other one, does not load it.
 */
export { type LightClient, openLightClient } from './light-client.ts';
export { type FleetLink, type FleetMessage, openFleetLink } from './link.ts';
