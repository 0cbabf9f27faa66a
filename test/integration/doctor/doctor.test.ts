import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { examine, type ProbeName, probeProcesses, type Report } from '../../../src/doctor/index.ts';
import {
  freePort,
  mosquittoAvailable,
  startMosquitto,
  type TestBroker,
} from '../../fakes/brokers.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';
import { layOutBoard } from '../../unit/doctor/looks.ts';
import { runCli } from '../cli/cli-process.ts';

let folder: string;
let dead: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'twowatt-doctor-'));
  dead = `mqtt://127.0.0.1:${await freePort()}`;
});
afterEach(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

const flags = (settings: readonly string[]) => settings.flatMap((one) => ['--set', one]);

async function doctor(board: string, settings: string[], args: string[] = []) {
  const { settings: own } = layOutBoard(board, mkdtempSync(join(folder, 'board-')));
  return await runCli(folder, ['doctor', ...flags([...own, ...settings]), ...args]);
}

async function doctorJson(board: string, settings: string[]) {
  const run = await doctor(board, settings, ['--json']);
  const made = JSON.parse(run.stdout) as Report;
  const found = (id: string) => made.findings.find((finding) => finding.id === id);
  return { ...run, made, found };
}

describe.skipIf(!mosquittoAvailable())('doctor with Mosquitto', () => {
  let broker: TestBroker;
  beforeAll(async () => (broker = await startMosquitto()));
  afterAll(() => broker.close());

  it.each([
    ['raspberry-pi-5', /Raspberry Pi 5 Model B/, /VDD_CORE 0\.43 W/],
    ['raspberry-pi-4b', /Raspberry Pi 4 Model B/, /no power sensor/],
    ['jetson-orin-nano', /Jetson Orin Nano/, /VDD_IN 2\.47 W/],
  ])('looks at %s and finds nothing that fails', async (board, name, power) => {
    const { code, stdout, stderr } = await doctor(board, [`mqtt.url=${broker.url}`]);
    expect(stderr).toBe('');
    expect(stdout).toMatch(name);
    expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(power);
    expect(stdout).toMatch(/MQTT 5, mosquitto version/);
    expect(stdout).not.toContain('FAIL');
    expect(stdout).not.toContain('\u001B');
    for (const line of stdout.split('\n')) {
      if (!/^ {4}(\$|config\.yaml:) /.test(line)) expect(line.length).toBeLessThanOrEqual(80);
    }
    expect(code).toBe(0);
  });

  it('prints the documented JSON', async () => {
    const { code, made } = await doctorJson('raspberry-pi-5', [`mqtt.url=${broker.url}`]);
    expect(code).toBe(0);
    expect(made).toMatchObject({ v: 1, node: 'board', verdict: 'ok', counts: { fail: 0 } });
    expect(Object.keys(made).toSorted()).toEqual(
      ['v', 'version', 'node', 'ts', 'verdict', 'counts', 'findings'].toSorted(),
    );
    const known = new Set('id group status title detail advice run unreachable'.split(' '));
    for (const finding of made.findings) {
      for (const key of Object.keys(finding)) expect(known).toContain(key);
    }
  });
});

describe('doctor', () => {
  it('ends with 3 when only the broker is away, and with 1 when something else fails', async () => {
    const away = await doctorJson('raspberry-pi-5', [`mqtt.url=${dead}`]);
    expect(away.found('broker.reachable')).toMatchObject({ status: 'fail', unreachable: true });
    expect([away.code, away.made.verdict]).toEqual([3, 'unreachable']);
    const both = await doctorJson('raspberry-pi-5', [`mqtt.url=${dead}`, 'model.path=/nowhere']);
    expect(both.found('model.found')?.status).toBe('fail');
    expect([both.code, both.made.verdict]).toEqual([1, 'fail']);
  });

  it.each([
    [['--set', 'mqtt.keepalive_s=soon'], /mqtt\.keepalive_s/],
    [['--set', 'hardware.profile=no-such-board'], /hardware\.profile/],
    [['--config', '/nowhere/twowatt.yaml'], /there is no such file/],
    [['--depe'], /--deep/],
  ])('ends with 2 for %j', async (args, message) => {
    const { code, stdout, stderr } = await runCli(folder, ['doctor', ...args]);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('is not held up by a broker that is silent', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => void sockets.push(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    try {
      const { code, found } = await doctorJson('raspberry-pi-4b', [
        `mqtt.url=mqtt://127.0.0.1:${port}`,
      ]);
      expect(found('broker.reachable')?.detail).toMatch(/did not answer within 5 s/);
      expect(code).toBe(3);
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });

  it('is not held up by a firmware tool that hangs', async () => {
    const { settings } = layOutBoard('raspberry-pi-5', folder);
    const tool = join(folder, 'hanging-tool');
    writeFileSync(tool, '#!/bin/sh\nexec sleep 1000\n');
    chmodSync(tool, 0o755);
    const run = await runCli(folder, [
      'doctor',
      '--json',
      ...flags([...settings, `mqtt.url=${dead}`, `hardware.vcgencmd=${tool}`]),
    ]);
    const { findings } = JSON.parse(run.stdout) as Report;
    expect(findings.find(({ id }) => id === 'board.power')).toMatchObject({
      status: 'warn',
      detail: expect.stringMatching(/vcgencmd: no answer/) as string,
    });
  });

  it('loses a model folder that hangs, and nothing else', async () => {
    const { settings } = layOutBoard('raspberry-pi-4b', folder);
    const model = join(folder, 'model');
    mkdirSync(model);
    // Opening a FIFO waits for a writer for ever, in a call that nothing can take back.
    expect(spawnSync('sh', ['-c', 'mkfifo "$0"', join(model, 'twowatt.json')]).status).toBe(0);
    const clock = createVirtualClock();
    const asked: ProbeName[] = [];
    const examined = examine({
      names: ['config', 'board', 'model', 'governor', 'verify', 'storage'],
      clock,
      start: probeProcesses({
        set: [...settings, `model.path=${model}`],
        homeFolder: folder,
      }),
      onProbe: (name) => void asked.push(name),
    });
    await vi.waitFor(() => expect(asked).toContain('model'), { timeout: 20_000 });
    await clock.advance(15_000);
    const outcomes = await examined;
    expect(outcomes.model).toEqual({ ok: false, reason: 'no answer within 15 s: it hangs' });
    expect(outcomes.verify?.ok).toBe(false);
    expect(outcomes.board?.ok).toBe(true);
    expect(outcomes.storage?.ok).toBe(true);
  });
});
