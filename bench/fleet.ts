import { benchHistory } from './fleet/history.ts';
import { benchLoad, benchOffline, benchRestart, benchStorm } from './fleet/live.ts';

/**
 * The figures of docs/fleet.md: `npm run bench:fleet [-- NAME…]`. Needs Mosquitto, and PostgreSQL for two of
 * them. Broker, boards and server share this machine.
 */
const BENCHES: Record<string, () => Promise<object>> = {
  load: () => benchLoad(10_000, 60),
  'load-small': () => benchLoad(1000, 30),
  week: () => benchHistory('sqlite', 1000, 7),
  'week-small': () => benchHistory('sqlite', 50, 7),
  postgres: () => benchHistory('postgres', 10_000, 1),
  'postgres-small': () => benchHistory('postgres', 100, 3),
  offline: () => benchOffline(10),
  storm: () => benchStorm(5000),
  restart: () => benchRestart(200, 1),
  'restart-two': () => benchRestart(200, 2),
};

const wanted = process.argv.slice(2);
for (const name of wanted.length > 0
  ? wanted
  : ['load', 'week', 'postgres', 'offline', 'storm', 'restart', 'restart-two']) {
  const bench = BENCHES[name];
  if (bench === undefined)
    throw new Error(`no bench ${name}; known: ${Object.keys(BENCHES).join(', ')}`);
  console.log(name, JSON.stringify(await bench(), null, 2));
}
