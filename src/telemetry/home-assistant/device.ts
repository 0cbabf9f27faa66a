import { createHash } from 'node:crypto';
import { nodeTopics } from '../../protocol/index.ts';
import { components } from './components.ts';

export type BoardFacts = {
  node: string;
  baseTopic: string;
  /** Of twowatt. */
  version: string;
  /** Name of the device profile; empty without one. */
  profile: string;
};

/** What Home Assistant publishes on its birth topic when it has started. */
const BIRTH = 'online';

export const birthTopic = (prefix: string): string => `${prefix}/status`;
export const isBirth = (payload: Buffer): boolean => payload.toString() === BIRTH;

/**
 * A node id as Home Assistant allows it in topics, `[a-zA-Z0-9_-]`. Ids that differ only in a dot must not
 * become one device, so that a changed id ends in four hex digits of the original's hash.
 */
export function objectId(node: string): string {
  const plain = node.replaceAll(/[^a-zA-Z0-9_-]/g, '_');
  if (plain === node) return `twowatt-${node}`;
  const hash = createHash('sha256').update(node).digest('hex').slice(0, 4);
  return `twowatt-${plain}-${hash}`;
}

/** `homeassistant/device/twowatt-pi5/config`. */
export const discoveryTopic = (prefix: string, node: string): string =>
  `${prefix}/device/${objectId(node)}/config`;

/**
 * The board as one device (Home Assistant 2024.12 and newer). It is available while its state topic, which
 * is also its Last Will, says anything but offline.
 */
export function discoveryMessage(facts: BoardFacts): object {
  const { node, version, profile } = facts;
  const topics = nodeTopics(facts.baseTopic, node);
  return {
    device: {
      identifiers: [objectId(node)],
      name: node,
      manufacturer: 'twowatt',
      model: profile === '' ? 'board without a device profile' : profile,
      sw_version: version,
    },
    origin: { name: 'twowatt', sw_version: version },
    availability: [
      {
        topic: topics.state,
        value_template: "{{ 'offline' if value_json.state == 'offline' else 'online' }}",
      },
    ],
    qos: 1,
    components: components(topics, objectId(node)),
  };
}
