import type { Logger } from '../../core/index.ts';
import type { FleetStore } from './types.ts';

export type * from './types.ts';
export { sampleValues } from './values.ts';

/**
 * fleet/store: what a fleet server keeps. `where` is a SQLite path or a `postgres://` URL; test/contract
 * holds both to the same promises (./types.ts).
 */
export async function openStore(
  where: string,
  logger: Logger,
  now: () => number,
): Promise<FleetStore> {
  if (/^postgres(ql)?:\/\//.test(where)) {
    const { openPostgresStore } = await import('./postgres/store.ts');
    return openPostgresStore(where, logger, now);
  }
  const { openSqliteStore } = await import('./sqlite/store.ts');
  return openSqliteStore(where);
}
