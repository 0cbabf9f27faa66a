import { afterEach, describe, expect, it } from 'vitest';
import type { Report } from '../../src/doctor/index.ts';
import { mosquittoAvailable, startMosquitto } from '../fakes/brokers.ts';
import { runCli } from '../integration/cli/cli-process.ts';
import {
  connectDevice,
  NODE_ID,
  startDaemonProcess,
  temporaryFolder,
  waitOnline,
} from './harness.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

describe.skipIf(!mosquittoAvailable())('doctor beside a running daemon', () => {
  it('sees it, disturbs nothing, and has a real prompt answered by it', async () => {
    const broker = await startMosquitto();
    undo.push(() => broker.close());
    const state = temporaryFolder();
    undo.push(() => state.remove());
    const daemon = startDaemonProcess({ brokerUrl: broker.url, stateFolder: state.path });
    undo.push(() => daemon.kill());
    const device = await connectDevice(broker.url);
    undo.push(() => device.close());
    await waitOnline(device);
    const engine = await daemon.enginePid();

    const settings = [
      `mqtt.url=${broker.url}`,
      `node.id=${NODE_ID}`,
      `node.state_folder=${state.path}`,
    ].flatMap((setting) => ['--set', setting]);
    const { stdout } = await runCli(state.path, ['doctor', '--json', '--deep', ...settings]);
    const made = JSON.parse(stdout) as Report;
    const found = (id: string) => made.findings.find((finding) => finding.id === id);
    expect(found('storage.journal')).toMatchObject({
      status: 'ok',
      detail: expect.stringContaining(`in use by process ${daemon.pid}`) as string,
    });
    expect(found('broker.node')).toMatchObject({
      status: 'ok',
      detail: expect.stringContaining('board is online') as string,
    });
    expect(found('broker.health')).toBeDefined();
    expect(found('model.answer')).toMatchObject({
      status: 'ok',
      detail: expect.stringMatching(/tokens\/s.*the running daemon, twowatt-nano/) as string,
    });
    // Nobody was disturbed: same daemon, same engine, still able to answer.
    expect(await daemon.enginePid()).toBe(engine);
    await device.prompt({ id: 'after', messages: [{ role: 'user', content: 'open the door' }] });
    expect(await device.terminal('after')).toMatchObject({ type: 'done' });
  }, 120_000);
});
