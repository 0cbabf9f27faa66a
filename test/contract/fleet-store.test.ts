import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import { openStore } from '../../src/fleet/store/index.ts';
import { type PostgresCluster, postgresAvailable, startPostgres } from '../fakes/postgres.ts';
import { describeFleetStore } from './fleet-store.suite.ts';

describeFleetStore('SQLite', async (now) => {
  const folder = mkdtempSync(join(tmpdir(), 'twowatt-fleet-store-'));
  const path = join(folder, 'fleet.sqlite');
  const reopen = () => openStore(path, silentLogger, now);
  return {
    store: await reopen(),
    reopen,
    cleanUp: async () => rmSync(folder, { recursive: true, force: true }),
  };
});

describe.skipIf(!postgresAvailable())('PostgreSQL', () => {
  let cluster: PostgresCluster;
  beforeAll(async () => {
    cluster = await startPostgres();
  });
  afterAll(() => cluster.close());

  describeFleetStore('PostgreSQL', async (now) => {
    const url = await cluster.database();
    const reopen = () => openStore(url, silentLogger, now);
    return { store: await reopen(), reopen, cleanUp: async () => {} };
  });

  it('lets one of two servers lead, and the other one when the first is gone', async () => {
    const url = await cluster.database();
    const [first, second] = [
      await openStore(url, silentLogger, Date.now),
      await openStore(url, silentLogger, Date.now),
    ];
    expect(await first.leads()).toBe(true);
    expect(await second.leads()).toBe(false);
    await first.close();
    await expect.poll(() => second.leads()).toBe(true);
    await second.close();
  });

  it('bears two servers that write the same at the same time', async () => {
    const url = await cluster.database();
    const stores = await Promise.all([
      openStore(url, silentLogger, Date.now),
      openStore(url, silentLogger, Date.now),
    ]);
    const tMs = Date.UTC(2026, 5, 1);
    const batch = Array.from({ length: 50 }, (_, i) => ({
      node: `n${i}`,
      tMs,
      values: [i],
    }));
    await Promise.all(stores.flatMap((store) => [store.write(batch), store.write(batch)]));
    const got = await stores[0].series({
      node: 'n7',
      fields: ['power.watts'],
      fromMs: tMs,
      toMs: tMs + 1,
      stepMs: 0,
    });
    expect(got.fields['power.watts']?.mean).toEqual([7]);
    await Promise.all(stores.map((store) => store.close()));
  });
});
