#!/usr/bin/env node
// Plain JavaScript that also old Nodes can parse: it must be able to say that they are too old.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';

// The daemon moves messages; the model runs in the engine process. Without the optimising compilers and
// with a small young generation it keeps 79 MB resident instead of 100, measured idle on x64. Old garbage
// is collected when the heap has grown by a tenth (by default it may double, which looks like a leak for
// hours). The end-to-end tests read this line.
const DAEMON_FLAGS =
  '--no-opt --no-maglev --max-lazy --optimize-for-size --max-semi-space-size=1 --semi-space-growth-factor=1 --heap-growing-percent=10';

const here = fileURLToPath(new URL('..', import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const recentEnough = major > 22 || (major === 22 && minor >= 13);

if (recentEnough) {
  const built = `${here}dist/cli/main.js`;
  if (!existsSync(built)) {
    console.error(
      'twowatt: not built yet; run `npm ci` (or `npm run build`) in the checkout first',
    );
    process.exit(1);
  }
  if (process.argv[2] === 'run') {
    // They hold from here on: before any module is loaded, or they save 2 MB less.
    for (const flag of DAEMON_FLAGS.split(' ')) setFlagsFromString(flag);
  }
  await import(pathToFileURL(built).href);
} else {
  // In a checkout the pinned Node lies beside us.
  const pinned = `${here}node_modules/node/bin/node`;
  if (existsSync(pinned)) {
    // A process manager's channel (pm2 waits for a message on it) is handed through.
    const managed = process.send !== undefined;
    const child = spawn(pinned, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
      stdio: ['inherit', 'inherit', 'inherit', ...(managed ? ['ipc'] : [])],
    });
    if (managed) {
      child.on('message', (message) => process.send(message));
      process.on('message', (message) => child.send(message));
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => child.kill(signal));
    }
    child.on('exit', (code, signal) => {
      process.exit(signal ? 128 + constants.signals[signal] : code);
    });
  } else {
    console.error(
      `twowatt: needs Node 22.13 or newer, this is ${process.versions.node}; install Node 24 (LTS)`,
    );
    process.exit(2);
  }
}
