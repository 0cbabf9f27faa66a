/** What a Debian package is built for: Debian's name of the architecture, and Node's. */
export type Target = { debian: 'arm64' | 'amd64'; node: 'arm64' | 'x64' };

const TARGETS: readonly Target[] = [
  { debian: 'amd64', node: 'x64' },
  { debian: 'arm64', node: 'arm64' },
];

/** @throws Error naming what may be asked for. */
export function targetsOf(architecture: string): readonly Target[] {
  if (architecture === 'all') return TARGETS;
  const found = TARGETS.filter(({ debian }) => debian === architecture);
  if (found.length === 0) {
    throw new Error(`--arch: expected arm64, amd64 or all, found ${architecture}`);
  }
  return found;
}
