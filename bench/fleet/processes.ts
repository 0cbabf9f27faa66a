import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';

const BIN = resolve(import.meta.dirname, '../../src/cli/main.ts');
const CLOCK_TICKS = 100;

export type SimulatorFigures = {
  connected: number;
  connections: number;
  sent: number;
  reported: number;
  acknowledged: number;
};
export type Simulator = { figures(): SimulatorFigures; stop(): Promise<SimulatorFigures> };

const wait = (ms: number) => new Promise<void>((wake) => setTimeout(wake, ms));

/** `twowatt fleet simulate` in a process of its own. */
export function startSimulator(broker: string, args: string[]): Simulator {
  const child = spawn(
    process.execPath,
    [BIN, 'fleet', 'simulate', '--json', '--set', `mqtt.url=${broker}`, ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let last: SimulatorFigures = {
    connected: 0,
    connections: 0,
    sent: 0,
    reported: 0,
    acknowledged: 0,
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    last = JSON.parse(line) as SimulatorFigures;
  });
  return {
    figures: () => last,
    async stop() {
      if (child.exitCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      return last;
    },
  };
}

export type Server = {
  url: string;
  child: ChildProcess;
  /** User and system time so far, seconds, and resident memory, MB, from /proc. */
  usage(): { cpuS: number; rssMb: number };
  end(signal: NodeJS.Signals): Promise<void>;
};

/** `twowatt fleet serve` in a process of its own; resolves when it listens. */
export async function startServer(
  broker: string,
  folder: string,
  port: number,
  set: string[] = [],
): Promise<Server> {
  const settings = [
    `mqtt.url=${broker}`,
    `node.state_folder=${folder}`,
    `fleet.port=${port}`,
    'log.level=warn',
    ...set,
  ];
  const child = spawn(
    process.execPath,
    [BIN, 'fleet', 'serve', ...settings.flatMap((each) => ['--set', each])],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const url = `http://127.0.0.1:${port}`;
  for (;;) {
    if (child.exitCode !== null) throw new Error('the fleet server ended');
    try {
      await fetch(`${url}/healthz`);
      break;
    } catch {
      await wait(50);
    }
  }
  return {
    url,
    child,
    usage() {
      const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      return {
        cpuS: (Number(stat[11]) + Number(stat[12])) / CLOCK_TICKS,
        rssMb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024,
      };
    },
    async end(signal) {
      if (child.exitCode !== null) return;
      child.kill(signal);
      await once(child, 'exit');
    },
  };
}

/** One of the server's own metrics; NaN when it is not there. */
export async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^twowatt_fleet_${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

export async function until(
  condition: () => Promise<boolean> | boolean,
  limitMs: number,
): Promise<boolean> {
  const end = Date.now() + limitMs;
  while (Date.now() < end) {
    if (await condition()) return true;
    await wait(100);
  }
  return false;
}

export { wait };
