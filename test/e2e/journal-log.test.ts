import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePort } from '../fakes/brokers.ts';
import { temporaryFolder, until } from './harness.ts';

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

it('the daemon writes priorities when its stdout is the stream that systemd connected', async () => {
  const path = join(folder.path, 'stdout');
  const stdout = openSync(path, 'w');
  const { dev, ino } = fstatSync(stdout);
  const settings = [
    `mqtt.url=mqtt://127.0.0.1:${await freePort()}`,
    `node.state_folder=${folder.path}`,
    'http.enabled=false',
    'log.level=silent',
    'log.levels={"queue":"info","mqtt":"warn"}',
  ];
  const daemon = spawn(
    process.execPath,
    [MAIN, 'run', ...settings.flatMap((setting) => ['--set', setting])],
    {
      stdio: ['ignore', stdout, 'ignore'],
      env: { ...process.env, HOME: folder.path, JOURNAL_STREAM: `${dev}:${ino}` },
    },
  );
  const exited = new Promise((done) => daemon.once('exit', done));
  const lines = () => readFileSync(path, 'utf8').split('\n').slice(0, -1);
  try {
    await until(() => lines().length >= 2, 'two lines');
  } finally {
    daemon.kill('SIGTERM');
    await exited;
    closeSync(stdout);
  }
  const rooms = lines().map((line) => {
    const [, priority, json = ''] = /^<(\d)>(.*)$/.exec(line) ?? [];
    return [priority, (JSON.parse(json) as { room: string }).room];
  });
  expect(rooms[0]).toEqual(['6', 'queue']);
  expect(rooms).toContainEqual(['4', 'mqtt']);
  expect(new Set(rooms.map(([, room]) => room))).toEqual(new Set(['queue', 'mqtt']));
});
