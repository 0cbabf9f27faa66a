import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = resolve(import.meta.dirname, '../src');

type Import = { from: string; room: string; specifier: string; target: string; typeOnly: boolean };

/** Rooms by layer. A room may import the rooms listed here, and itself. */
const MAY_IMPORT: Record<string, { value: string[]; type?: string[]; why: string }> = {
  core: { value: [], why: 'core is below everything: what it imports, everybody imports' },
  protocol: { value: ['core'], why: 'protocol is pure and runs in the web page as well' },
  config: { value: ['core', 'protocol'], why: 'configuration is read before any room exists' },
  hardware: layer2(),
  governor: layer2(),
  model: layer2(),
  engine: layer2(),
  queue: layer2(),
  cloud: layer2(),
  router: layer2(),
  service: {
    value: ['core', 'protocol', 'config'],
    type: ['queue', 'router', 'cloud'],
    why: 'the pipeline knows the rooms below it by interface, so that each can be replaced and faked',
  },
  gateway: {
    value: ['core', 'protocol', 'config'],
    type: ['service', 'queue'],
    why: 'a gateway is a way in and out; what happens to a prompt is the pipeline’s business',
  },
  telemetry: {
    value: ['core', 'protocol', 'config'],
    type: ['service'],
    why: 'telemetry reports what it is handed; reaching into rooms would tie it to their insides',
  },
  daemon: {
    value:
      'core protocol config hardware governor model engine queue router cloud service gateway telemetry'.split(
        ' ',
      ),
    why: 'the composition root builds everything, and nothing below may know it',
  },
  doctor: {
    value:
      'core protocol config hardware governor model engine queue service gateway telemetry daemon'.split(
        ' ',
      ),
    why: 'doctor looks into every room as the daemon would, so only commands may know it',
  },
  fleet: {
    value: ['core', 'protocol', 'config', 'gateway'],
    why: 'a fleet server meets boards through the protocol only, and no board loads it',
  },
  'fleet/web': {
    value: ['protocol'],
    type: ['core'],
    why: 'the pages run in browsers: they know the protocol, and nothing that needs Node',
  },
  cli: {
    value:
      'core protocol config daemon fleet doctor model engine queue router service gateway hardware governor'.split(
        ' ',
      ),
    why: 'commands are thin: they call one room or start the daemon',
  },
};

/** A page is a room of its own: it runs in browsers. */
const roomOf = (path: string): string =>
  path.startsWith('fleet/web/') ? 'fleet/web' : (path.split('/')[0] ?? '');

function layer2() {
  return {
    value: ['core', 'protocol', 'config'],
    why: 'rooms of layer 2 never import each other: they meet as arguments in the composition root',
  };
}

/** Packages that belong to one place. */
const PACKAGE_HOMES: { pattern: RegExp; home: RegExp; why: string }[] = [
  {
    pattern: /^onnxruntime/,
    home: /^engine\/process\//,
    why: 'onnxruntime blocks its thread and may crash: it lives in the engine process only',
  },
  {
    pattern: /^@huggingface\//,
    home: /^engine\/process\//,
    why: 'the tokenizer’s memory belongs to the engine process, not to the daemon',
  },
  {
    pattern: /^mqtt$|^mqtt-packet$|^aedes/,
    home: /^gateway\/mqtt\//,
    why: 'MQTT is spoken in one place',
  },
  {
    pattern: /^fastify$/,
    home: /^(gateway|fleet\/server)\/http\//,
    why: 'HTTP is served in two places, the board’s and the fleet’s, and loaded only where it is used',
  },
  { pattern: /^protobufjs/, home: /^model\//, why: 'only the converter writes protobuf' },
  {
    pattern: /^node:sqlite$/,
    home: /^(queue|fleet\/store\/sqlite)\//,
    why: 'only the journal and the fleet’s store own a database',
  },
  { pattern: /^pg$/, home: /^fleet\/store\/postgres\//, why: 'only one store is PostgreSQL' },
  { pattern: /^hash-wasm$/, home: /^fleet\/server\//, why: 'only the fleet server has passwords' },
  { pattern: /^modern-tar$/, home: /^doctor\//, why: 'only support bundles are packed' },
  { pattern: /^convict/, home: /^config\//, why: 'configuration has one schema, in one place' },
  { pattern: /^systeminformation/, home: /^hardware\//, why: 'host facts come from hardware' },
  {
    pattern: /^sharp$/,
    home: /^cli\/chart\//,
    why: 'only a picture in pixels needs sharp; it may not load on every machine',
  },
  {
    pattern: /^undici$/,
    home: /^cloud\/transport\.ts$/,
    why: 'only cloud’s transport speaks HTTP, and only its send() holds a transport: no prompt leaves by another way',
  },
  { pattern: /^eventsource-parser$/, home: /^cloud\//, why: 'only cloud reads event streams' },
  {
    pattern: /^(preact|@preact\/|uplot|vite$)/,
    home: /^fleet\/web\//,
    why: 'only pages draw, and what draws them is no dependency of the package',
  },
  { pattern: /^commander$/, home: /^cli\//, why: 'only commands parse command lines' },
];

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sourceFiles(path);
    return /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

const IMPORT =
  /(?:^|\n)\s*(import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\sfrom\s+)?['"]([^'"]+)['"]/g;
const DYNAMIC_IMPORT = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

function importsOf(path: string): Import[] {
  const text = readFileSync(path, 'utf8');
  const from = relative(SRC, path);
  const found = [
    ...[...text.matchAll(IMPORT)].map((match) => ({
      specifier: match[3] ?? '',
      typeOnly: match[2] !== undefined,
    })),
    ...[...text.matchAll(DYNAMIC_IMPORT)].map((match) => ({
      specifier: match[1] ?? '',
      typeOnly: false,
    })),
  ];
  return found.map(({ specifier, typeOnly }) => ({
    from,
    room: roomOf(from),
    specifier,
    typeOnly,
    target: specifier.startsWith('.')
      ? relative(SRC, resolve(dirname(path), specifier))
      : specifier,
  }));
}

const files = sourceFiles(SRC);
const imports = files.flatMap(importsOf);

describe('architecture', () => {
  it('sees the code that it judges', () => {
    expect(files.length).toBeGreaterThan(60);
    expect(imports.length).toBeGreaterThan(200);
    const rooms = new Set(files.map((path) => roomOf(relative(SRC, path))));
    expect(rooms).toEqual(new Set(Object.keys(MAY_IMPORT)));
  });

  it('keeps the rooms in their layers', () => {
    const broken = imports
      .filter(({ specifier }) => specifier.startsWith('.'))
      .flatMap(({ from, room, target, typeOnly }) => {
        const other = roomOf(target);
        const rule = MAY_IMPORT[room];
        if (rule === undefined || other === room || other.endsWith('package.json')) return [];
        if (rule.value.includes(other)) return [];
        if (typeOnly && rule.type?.includes(other)) return [];
        return [`${from} imports ${target}: ${rule.why}`];
      });
    expect(broken).toEqual([]);
  });

  it('enters other rooms by their door', () => {
    // Interfaces that several rooms share may be imported as types from where they stand.
    const sharedTypes = new Set(['queue/types.ts', 'service/ports.ts']);
    const broken = imports
      .filter(({ specifier }) => specifier.startsWith('.'))
      .filter(({ room, target, typeOnly }) => {
        const other = roomOf(target);
        const rest = target.split('/');
        if (other === room || other.startsWith('..') || room === 'cli') return false;
        if (typeOnly && sharedTypes.has(target)) return false;
        return rest.at(-1) !== 'index.ts';
      })
      .map(({ from, target }) => `${from} imports ${target}: enter by the room's index.ts`);
    expect(broken).toEqual([]);
  });

  it('keeps packages in the rooms that own them', () => {
    const broken = imports.flatMap(({ from, specifier, typeOnly }) =>
      PACKAGE_HOMES.filter(
        ({ pattern, home }) => !typeOnly && pattern.test(specifier) && !home.test(from),
      ).map(({ why }) => `${from} imports ${specifier}: ${why}`),
    );
    expect(broken).toEqual([]);
  });

  it('lets prompts leave by one door', () => {
    const senders = files
      .map((path) => relative(SRC, path))
      .filter((path) => /\btransport\.post\(/i.test(readFileSync(join(SRC, path), 'utf8')));
    expect(senders).toEqual(['cloud/send.ts']);
  });

  it('ends the process only where a process begins', () => {
    const allowed = /^(daemon|cli)\/|^engine\/process\/main\.ts$/;
    const broken = files
      .map((path) => relative(SRC, path))
      .filter((path) => !allowed.test(path))
      .filter((path) => /\bprocess\.exit\(/.test(readFileSync(join(SRC, path), 'utf8')))
      .map((path) => `${path} calls process.exit: only daemon, cli and the engine's main may`);
    expect(broken).toEqual([]);
  });

  it('has no cycles between files', () => {
    const graph = new Map<string, string[]>();
    for (const { from, specifier, target, typeOnly } of imports) {
      if (!specifier.startsWith('.') || typeOnly) continue;
      graph.set(from, [...(graph.get(from) ?? []), target]);
    }
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: string[]): void => {
      const at = path.indexOf(file);
      if (at >= 0) {
        cycles.push([...path.slice(at), file].join(' → '));
        return;
      }
      if (done.has(file)) return;
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of graph.keys()) visit(file, []);
    expect(cycles).toEqual([]);
  });
});
