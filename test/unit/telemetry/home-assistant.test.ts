import { describe, expect, it } from 'vitest';
import {
  birthTopic,
  discoveryMessage,
  discoveryTopic,
  isBirth,
} from '../../../src/telemetry/home-assistant/index.ts';
import {
  AVAILABILITY_KEYS,
  DEVICE_KEYS,
  DEVICE_MESSAGE_KEYS,
  DISCOVERY_TOPIC,
  ENTITY_CATEGORIES,
  LONGEST_STATE,
  ORIGIN_KEYS,
  OTHER_DEVICE_CLASSES,
  PLATFORMS,
  STATE_CLASSES,
  UNITS,
} from '../../fixtures/home-assistant.ts';
import { telemetryExample } from '../../fixtures/telemetry.ts';

type Component = { platform: string; unique_id: string } & Record<string, unknown>;
type Message = {
  device: { identifiers: string[]; [key: string]: unknown };
  origin: object;
  availability: { topic: string }[];
  qos: number;
  components: Record<string, Component>;
};

const message = discoveryMessage({
  node: 'pi5',
  baseTopic: 'twowatt/v1',
  version: '1.2.3',
  profile: 'raspberry-pi-5',
}) as Message;
const components = Object.entries(message.components);
const strangers = (value: object, allowed: ReadonlySet<string>) =>
  Object.keys(value).filter((key) => !allowed.has(key));
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

describe('the device message for Home Assistant', () => {
  it('has a topic that is accepted, and a different one for every node', () => {
    const nodes = ['pi5', 'pi.5', 'pi_5', 'pi-5', 'π5', '..', 'a b'];
    const topics = nodes.map((node) => discoveryTopic('homeassistant', node));
    expect(new Set(topics).size).toBe(nodes.length);
    for (const topic of topics) {
      expect(topic.slice('homeassistant/'.length)).toMatch(DISCOVERY_TOPIC);
    }
    expect(discoveryTopic('ha/x', 'pi5')).toBe('ha/x/device/twowatt-pi5/config');
    expect(birthTopic('ha/x')).toBe('ha/x/status');
    expect(isBirth(Buffer.from('online'))).toBe(true);
    expect(isBirth(Buffer.from('offline'))).toBe(false);
  });

  it('says which device, by whom, and when it is available', () => {
    const { components: _, ...head } = message;
    expect(strangers(head, DEVICE_MESSAGE_KEYS)).toEqual([]);
    expect(strangers(message.device, DEVICE_KEYS)).toEqual([]);
    expect(message.device.identifiers.length).toBeGreaterThan(0);
    expect(strangers(message.origin, ORIGIN_KEYS)).toEqual([]);
    expect(message.origin).toMatchObject({ name: expect.any(String) as string });
    for (const part of message.availability) {
      expect(strangers(part, AVAILABILITY_KEYS)).toEqual([]);
      expect(part.topic).toBe('twowatt/v1/pi5/state');
    }
    expect([0, 1, 2]).toContain(message.qos);
  });

  it.each(components)('%s has the keys of its platform, and no other', (_key, component) => {
    const rules = PLATFORMS[component.platform];
    expect(rules, component.platform).toBeDefined();
    expect(strangers(component, rules?.allowed ?? new Set())).toEqual([]);
    expect(rules?.required.filter((key) => component[key] === undefined)).toEqual([]);
    const category = component['entity_category'];
    if (category !== undefined) expect(ENTITY_CATEGORIES[component.platform]).toContain(category);
  });

  it.each(components)(
    '%s has a unit and a state class that its device class knows',
    (_key, component) => {
      const deviceClass = component['device_class'];
      if (component.platform === 'sensor' || component.platform === 'number') {
        if (deviceClass === undefined) return;
        const unit = component['unit_of_measurement'] ?? null;
        expect(UNITS[text(deviceClass)]).toContain(unit);
        if (component.platform === 'sensor') {
          expect(STATE_CLASSES[text(deviceClass)]).toContain(component['state_class'] ?? null);
        }
        // Options belong to enums, and an enum has some.
        expect(Array.isArray(component['options'])).toBe(deviceClass === 'enum');
      } else if (deviceClass !== undefined) {
        expect(OTHER_DEVICE_CLASSES[component.platform]).toContain(deviceClass);
      }
    },
  );

  it('has ids that are unique in all of Home Assistant', () => {
    const other = discoveryMessage({
      node: 'pi6',
      baseTopic: 'b',
      version: '1',
      profile: '',
    }) as Message;
    const ids = [message, other].flatMap((one) =>
      Object.values(one.components).map((c) => c.unique_id),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('keeps numbers and texts within what is accepted', () => {
    for (const [, { platform, min, max, step }] of components) {
      if (platform === 'number') {
        expect(Number(min)).toBeLessThan(Number(max));
        expect(Number(step)).toBeGreaterThanOrEqual(0.001);
      }
      if (platform === 'text') {
        expect(Number(min)).toBeLessThan(Number(max));
        expect(Number(max)).toBeLessThanOrEqual(LONGEST_STATE);
      }
    }
  });

  it('reads only fields that telemetry has', () => {
    const telemetry = telemetryExample() as unknown as Record<string, Record<string, unknown>>;
    telemetry['engine'] = { ...telemetry['engine'], joules_total: 1 };
    const paths = components
      .filter(([, component]) => text(component['state_topic']).endsWith('/telemetry'))
      .map(([, component]) =>
        /value_json\.(\w+)(?:\.(\w+))?/.exec(text(component['value_template'])),
      );
    expect(paths.length).toBeGreaterThan(10);
    for (const path of paths) {
      const [, part = '', field] = path ?? [];
      expect(telemetry).toHaveProperty(part);
      if (field !== undefined) expect(telemetry[part]).toHaveProperty(field);
    }
  });

  it('commands the node by requests and prompts only', () => {
    for (const [, component] of components) {
      const topic = text(component['command_topic']);
      if (topic === '') continue;
      expect(topic).toMatch(/^twowatt\/v1\/pi5\/(request\/(governor\.set|drain|restart)|prompt)$/);
    }
  });
});
