import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from './brokers.ts';

export type PostgresCluster = {
  /** A fresh database; its URL. */
  database(): Promise<string>;
  close(): Promise<void>;
};

/** Debian keeps the server's programs out of PATH, a folder per version. */
function binFolder(): string | undefined {
  try {
    const [newest] = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a));
    if (newest !== undefined) return `/usr/lib/postgresql/${newest}/bin`;
  } catch {
    // Not Debian's way: PATH may have them.
  }
  const found = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' });
  return found.status === 0 ? found.stdout.trim() : undefined;
}

let available: boolean | undefined;

/** Whether a cluster can be started; says loudly when it cannot, and fails where CI demands it. */
export function postgresAvailable(): boolean {
  if (available === undefined) {
    const folder = binFolder();
    available =
      folder !== undefined &&
      spawnSync(join(folder, 'initdb'), ['--version'], { stdio: 'ignore' }).status === 0;
    if (!available) {
      const message = 'PostgreSQL is not installed: its tests are skipped (apt install postgresql)';
      if (process.env['CI']) throw new Error(message);
      console.warn(`\n*** ${message} ***\n`);
    }
  }
  return available;
}

/** PostgreSQL refuses to run as root; Debian's package brings a user for it. */
const asUser = process.getuid?.() === 0 ? 'postgres' : undefined;

function command(program: string, args: string[]): [string, string[]] {
  return asUser === undefined
    ? [program, args]
    : ['setpriv', [`--reuid=${asUser}`, `--regid=${asUser}`, '--init-groups', program, ...args]];
}

/** A cluster of its own in a temporary folder, on a free port of 127.0.0.1; gone after `close`. */
export async function startPostgres(): Promise<PostgresCluster> {
  const bin = binFolder() ?? '';
  const folder = mkdtempSync(join(tmpdir(), 'twowatt-postgres-'));
  if (asUser !== undefined) execFileSync('chown', [asUser, folder]);
  chmodSync(folder, 0o700);
  const data = join(folder, 'data');
  const [initdb, initArgs] = command(join(bin, 'initdb'), [
    '-D',
    data,
    '-U',
    'twowatt',
    '-A',
    'trust',
    '-N',
    '-E',
    'UTF8',
    '--locale=C',
  ]);
  execFileSync(initdb, initArgs, { stdio: 'ignore', cwd: folder });
  const port = await freePort();
  const [server, args] = command(join(bin, 'postgres'), [
    '-D',
    data,
    '-p',
    String(port),
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    `unix_socket_directories=${folder}`,
  ]);
  const child = spawn(server, args, { stdio: 'ignore', cwd: folder });
  const url = (name: string) => `postgres://twowatt@127.0.0.1:${port}/${name}`;
  const query = async (text: string) => {
    const client = new pg.Client({ connectionString: url('postgres') });
    await client.connect();
    try {
      await client.query(text);
    } finally {
      await client.end();
    }
  };
  for (;;) {
    if (child.exitCode !== null) throw new Error('PostgreSQL ended at once');
    try {
      await query('SELECT 1');
      break;
    } catch {
      await new Promise((wake) => setTimeout(wake, 50));
    }
  }
  let count = 0;
  return {
    async database() {
      count += 1;
      await query(`CREATE DATABASE fleet${count}`);
      return url(`fleet${count}`);
    },
    async close() {
      child.kill('SIGINT');
      if (child.exitCode === null) await once(child, 'exit');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
