import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MosquittoBroker, mosquittoAvailable, startMosquitto } from '../fakes/brokers.ts';
import {
  connectDevice,
  type DaemonProcess,
  type Device,
  killQuietly,
  startDaemonProcess,
  temporaryFolder,
  until,
  waitOnline,
} from './harness.ts';

const PROMPTS = 200;
const DAEMON_KILLS = 20;
const ENGINE_KILLS = 20;

const CONTENTS = [
  '把客厅的灯调到30%',
  'turn off the fan in the bedroom',
  '地下室除湿器打开10分钟',
  'what is MQTT',
  '厨房现在多少度',
  'close the garage door',
  '十分钟后关闭走廊的灯',
  'set the heater in the study to 21 degrees',
];

/** What the daemon's own log says of each prompt, in order. */
function storyOf(log: string): Map<string, string[]> {
  const story = new Map<string, string[]>();
  for (const line of log.split('\n')) {
    if (!line.startsWith('{')) continue;
    let entry: { id?: string; msg?: string };
    try {
      entry = JSON.parse(line) as { id?: string; msg?: string };
    } catch {
      continue; // The kill cut this line off.
    }
    if (entry.id === undefined || !/^prompt (begins|answered)$/.test(entry.msg ?? '')) continue;
    story.set(entry.id, [...(story.get(entry.id) ?? []), entry.msg ?? '']);
  }
  return story;
}

describe.skipIf(!mosquittoAvailable())('SIGKILL at random moments under load', () => {
  let broker: MosquittoBroker;
  let device: Device;
  let daemon: DaemonProcess;
  const folder = temporaryFolder();
  let log = '';

  const start = () => {
    daemon = startDaemonProcess({
      brokerUrl: broker.url,
      stateFolder: folder.path,
      // Every prompt is to have an answer, also one that the model is not sure of.
      set: ['log.level=debug', 'router.low_confidence_action=answer'],
    });
  };

  beforeAll(async () => {
    broker = await startMosquitto();
    device = await connectDevice(broker.url, { clientId: 'crash-device' });
    start();
    // Before its first connect the broker knows no session of the node, and keeps nothing for it.
    await waitOnline(device);
  });
  afterAll(async () => {
    await daemon.stop();
    await device.close();
    await broker.close();
    folder.remove();
  });

  it(
    'answers every accepted prompt, with identical copies, and runs none again after its answer',
    { timeout: 600_000 },
    async () => {
      const ids = Array.from({ length: PROMPTS }, (_, index) => `p${index}`);
      const contentOf = (index: number) => CONTENTS[index % CONTENTS.length] ?? '';
      const answered = () => ids.filter((id) => device.terminals(id).length > 0).length;

      const publishing = (async () => {
        for (const [index, id] of ids.entries()) {
          await device.prompt({
            id,
            stream: index % 2 === 0,
            max_tokens: 48,
            messages: [{ role: 'user', content: contentOf(index) }],
          });
          await new Promise((wake) => setTimeout(wake, 30));
        }
      })();

      const pause = (ms: number) => new Promise((wake) => setTimeout(wake, ms));
      for (let round = 0; round < Math.max(DAEMON_KILLS, ENGINE_KILLS); round += 1) {
        // Late enough that some prompts get through in each life, at a random point of one's way.
        const before = answered();
        await until(() => answered() >= Math.min(before + 2, PROMPTS), 'two more answers', 60_000);
        await pause(Math.random() * 150);
        if (round < ENGINE_KILLS) killQuietly(await daemon.enginePid());
        await until(() => answered() > before + 2 || answered() === PROMPTS, 'an answer', 60_000);
        await pause(Math.random() * 150);
        await daemon.kill();
        log += daemon.output();
        start();
      }
      await publishing;
      const missing = () => ids.filter((id) => device.terminals(id).length === 0);
      await until(() => missing().length === 0, 'all answers', 120_000).catch((error: unknown) => {
        const stories = storyOf(log + daemon.output());
        throw new Error(
          `no answer to ${missing()
            .map((id) => `${id}: ${stories.get(id)?.join(', ')}`)
            .join('; ')}\n${daemon.output().slice(-4000)}`,
          { cause: error },
        );
      });
      // Copies of the last answers may still be on their way.
      await pause(1000);
      log += daemon.output();

      const texts = new Map<string, Set<string>>();
      let copies = 0;
      for (const [index, id] of ids.entries()) {
        const terminals = device.terminals(id);
        expect(new Set(terminals).size, `copies of ${id} differ`).toBe(1);
        copies += terminals.length - 1;
        const frame = JSON.parse(terminals[0] ?? '') as { type: string; text: string };
        expect(frame.type, terminals[0]).toBe('done');
        const content = contentOf(index);
        texts.set(content, (texts.get(content) ?? new Set()).add(frame.text));
      }
      for (const [content, answers] of texts) expect([...answers], content).toHaveLength(1);
      for (const [id, steps] of storyOf(log)) {
        const firstAnswer = steps.indexOf('prompt answered');
        if (firstAnswer >= 0) expect(steps.slice(firstAnswer + 1), id).toEqual([]);
      }
      console.log(
        `${PROMPTS} prompts, ${DAEMON_KILLS} daemon kills, ${ENGINE_KILLS} engine kills, ${copies} identical copies`,
      );
    },
  );
});
