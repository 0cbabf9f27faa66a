import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LockedPackage } from './production-packages.ts';

type Component = {
  type: string;
  name: string;
  version: string;
  purl?: string;
  'bom-ref': string;
  hashes?: { alg: string; content: string }[];
  [more: string]: unknown;
};

export type Bom = {
  specVersion: string;
  serialNumber: string;
  metadata: { timestamp: string; component: Component; [more: string]: unknown };
  components: Component[];
  dependencies: { ref: string; dependsOn?: string[] }[];
  [more: string]: unknown;
};

/** A file that no npm package stands for by itself: the Node runtime, onnxruntime's library. */
export type ShippedFile = {
  type: 'application' | 'library' | 'machine-learning-model';
  name: string;
  version: string;
  licence: string;
  /** Where in the package; its digest in the SBOM is the one of the file as installed. */
  path: string;
};

/**
 * The package's bill of materials (CycloneDX JSON): npm's own list of the lockfile, cut down to what
 * ships, with the files added that npm does not know. The same input gives the same bytes.
 */
export function renderSbom(options: {
  checkout: string;
  shipped: readonly LockedPackage[];
  files: readonly ShippedFile[];
  staged: string;
  architecture: string;
  date: Date;
}): string {
  const { checkout, shipped, files, staged, architecture, date } = options;
  // All of the lockfile: with `--omit dev` npm 11 also drops what development tools happen to share.
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
  const bom = JSON.parse(
    execFileSync('npm', args, {
      cwd: checkout,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  ) as Bom;

  const wanted = new Set(shipped.map(({ name, version }) => purlOf(name, version)));
  const components = bom.components.filter(({ purl }) => purl !== undefined && wanted.has(purl));
  const found = new Set(components.map(({ purl }) => purl));
  const lost = [...wanted].filter((purl) => !found.has(purl));
  if (lost.length > 0) throw new Error(`npm's SBOM does not know ${lost.join(', ')}`);

  const root = bom.metadata.component;
  const added = files.map((file) => fileComponent(file, staged));
  const refs = new Set([root, ...components, ...added].map((one) => one['bom-ref']));
  const result: Bom = {
    ...bom,
    serialNumber: '',
    metadata: {
      ...bom.metadata,
      timestamp: date.toISOString(),
      component: {
        ...root,
        type: 'application',
        name: 'twowatt',
        purl: `pkg:deb/twowatt@${root.version}?arch=${architecture}`,
      },
    },
    components: [...components, ...added],
    dependencies: bom.dependencies
      .filter(({ ref }) => refs.has(ref))
      .map(({ ref, dependsOn = [] }) => ({
        ref,
        dependsOn: [
          ...dependsOn.filter((other) => refs.has(other)),
          ...(ref === root['bom-ref'] ? added.map((one) => one['bom-ref']) : []),
        ],
      })),
  };
  result.serialNumber = `urn:uuid:${uuidOf(JSON.stringify(result))}`;
  return `${JSON.stringify(result, null, 2)}\n`;
}

export const purlOf = (name: string, version: string): string =>
  `pkg:npm/${name.replace('@', '%40')}@${version}`;

function fileComponent(file: ShippedFile, staged: string): Component {
  const digest = createHash('sha256')
    .update(readFileSync(join(staged, file.path)))
    .digest('hex');
  return {
    'bom-ref': `${file.name}@${file.version}#file`,
    type: file.type,
    name: file.name,
    version: file.version,
    hashes: [{ alg: 'SHA-256', content: digest }],
    licenses: [{ license: { id: file.licence } }],
    properties: [{ name: 'twowatt:path', value: `/${file.path}` }],
  };
}

/** A UUID of version 8 (made by a rule of one's own): here, the content's digest. */
function uuidOf(content: string): string {
  const hex = createHash('sha256').update(content).digest('hex');
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 3) | 8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
