/** Uses up its descriptors, starts an engine, gives them back, and prints the states that it went through. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createSystemClock, silentLogger } from '../../../src/core/index.ts';
import { createEngineSupervisor } from '../../../src/engine/index.ts';

const MOST = 64;

const engine = createEngineSupervisor({
  modelFolder: '/nowhere',
  threads: 1,
  logger: silentLogger,
  clock: createSystemClock(),
});
const states = new Set<string>();
engine.onStatus(({ state }) => states.add(state));

execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${MOST}`]);
const ballast: number[] = [];
try {
  for (;;) ballast.push(openSync('/dev/null', 'r'));
} catch {
  // Too many open files: as wanted.
}
engine.start();
const looking = setInterval(() => {
  // Two attempts in vain, then one that gets a process, which finds no model.
  if (engine.status().restarts === 2) for (const one of ballast.splice(0)) closeSync(one);
  if (engine.trouble() !== 'model_missing') return;
  clearInterval(looking);
  console.log([...states].join(' '));
  void engine.close();
}, 20);
