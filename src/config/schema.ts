import * as cloudSections from './sections/cloud.ts';
import * as edgeSections from './sections/edge.ts';
import * as fleetSections from './sections/fleet.ts';
import * as inferenceSections from './sections/inference.ts';
import { isSetting, type Setting } from './setting.ts';

/** Raised whenever a key goes, or changes its meaning. Published on the info topic. */
export const configSchemaVersion = 1;

/** The one schema: every section and key, in the order in which they are shown. */
export const schema = {
  node: edgeSections.node,
  mqtt: edgeSections.mqtt,
  http: edgeSections.http,
  model: inferenceSections.model,
  engine: inferenceSections.engine,
  governor: inferenceSections.governor,
  router: cloudSections.router,
  cloud: cloudSections.cloud,
  queue: edgeSections.queue,
  telemetry: edgeSections.telemetry,
  hardware: inferenceSections.hardware,
  fleet: fleetSections.fleet,
  log: edgeSections.log,
};

type ValuesOf<Node> =
  Node extends Setting<infer Value> ? Value : { [Key in keyof Node]: ValuesOf<Node[Key]> };

/** The whole configuration, nested as in the file. */
export type Config = ValuesOf<typeof schema>;

type KeysOf<Node> = {
  [Key in keyof Node & string]: Node[Key] extends Setting<infer _Value>
    ? Key
    : `${Key}.${KeysOf<Node[Key]>}`;
}[keyof Node & string];

/** `mqtt.tls.ca_file` and the like: every key of the schema in dotted form. */
export type ConfigKey = KeysOf<typeof schema>;

function collect(node: object, prefix: string, into: Map<string, Setting<unknown>>): void {
  for (const [name, child] of Object.entries(node) as [string, object][]) {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    if (isSetting(child)) into.set(key, child);
    else collect(child, key, into);
  }
}

function settingsByKey(): ReadonlyMap<string, Setting<unknown>> {
  const found = new Map<string, Setting<unknown>>();
  collect(schema, '', found);
  return found;
}

/** Every setting by its dotted key, in the order of the schema. */
export const settings: ReadonlyMap<string, Setting<unknown>> = settingsByKey();

export function isConfigKey(key: string): key is ConfigKey {
  return settings.has(key);
}

/** The value that a nested object holds under a dotted key; undefined when there is none. */
export function valueAt(values: object, key: string): unknown {
  let here: unknown = values;
  for (const level of key.split('.')) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, level)) return undefined;
    here = (here as Record<string, unknown>)[level];
  }
  return here;
}
