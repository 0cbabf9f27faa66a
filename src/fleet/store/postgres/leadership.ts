import type pg from 'pg';
import { LOCK_LEADER } from './schema.ts';

/**
 * One of several servers does what only one may. The lock belongs to a connection, so that it is free again
 * as soon as PostgreSQL notices that its holder is gone.
 */
export function createLeadership(pool: pg.Pool): {
  leads(): Promise<boolean>;
  release(): void;
} {
  let held: pg.PoolClient | undefined;

  const letGo = (client: pg.PoolClient, broken: boolean) => {
    if (held === client) held = undefined;
    client.release(broken);
  };
  return {
    async leads() {
      if (held !== undefined) {
        const client = held;
        try {
          await client.query('SELECT 1');
          return true;
        } catch {
          letGo(client, true);
          return false;
        }
      }
      let client: pg.PoolClient | undefined;
      try {
        client = await pool.connect();
        const { rows } = await client.query<{ got: boolean }>(
          'SELECT pg_try_advisory_lock($1) AS got',
          [LOCK_LEADER],
        );
        if (rows[0]?.got !== true) {
          client.release();
          return false;
        }
        // A broken connection would otherwise end the process.
        client.on('error', () => {});
        held = client;
        return true;
      } catch {
        client?.release(true);
        return false;
      }
    },
    release() {
      // Destroyed, so that the lock goes with it.
      if (held !== undefined) letGo(held, true);
    },
  };
}
