/**
 * Home Assistant's MQTT discovery: one retained message that describes the board as a device. Loaded only
 * where it is switched on. Pure; the daemon publishes what is made here.
 */
export {
  birthTopic,
  isBirth,
  type BoardFacts,
  discoveryMessage,
  discoveryTopic,
} from './device.ts';
