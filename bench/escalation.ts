/**
 * A board with a cloud, end to end: prompts that the bundled model was made for and general ones that it
 * was not, over MQTT to a real daemon whose cloud is a second one over HTTP. Prints who was escalated,
 * what it cost, and what was saved against sending everything to the cloud.
 *
 *   npm run bench:escalation [-- --in-domain 150 --general 50]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { DoneFrame, TerminalFrame } from '../src/protocol/index.ts';
import { freePort, mosquittoAvailable, startAedes, startMosquitto } from '../test/fakes/brokers.ts';
import {
  BASE,
  connectDevice,
  NODE_ID,
  startDaemonProcess,
  temporaryFolder,
  until,
} from '../test/e2e/harness.ts';

const { values } = parseArgs({
  options: {
    'in-domain': { type: 'string', default: '150' },
    general: { type: 'string', default: '50' },
  },
});
const EVAL = join(import.meta.dirname, '../test/fixtures/eval');
/** Per million tokens, dollars: any price does, since both sides of the saving are counted in it. */
const PRICE = { price_in: 0.1, price_out: 0.4 };

/** Every k-th row, so that all tasks are there. */
function rowsOf(file: string, most: number): string[] {
  const rows = readFileSync(join(EVAL, file), 'utf8').trim().split('\n');
  const step = Math.max(1, Math.floor(rows.length / most));
  return rows
    .filter((_, index) => index % step === 0)
    .slice(0, most)
    .map((row) => (JSON.parse(row) as { messages: string[] }).messages[0] ?? '');
}

const port = await freePort();
const folders = [temporaryFolder(), temporaryFolder()];
const broker = await (mosquittoAvailable() ? startMosquitto() : startAedes());
const device = await connectDevice(broker.url);
const endpoint = {
  name: 'gateway',
  base_url: `http://127.0.0.1:${port}/v1`,
  model: 'twowatt-nano',
  ...PRICE,
};
const gateway = startDaemonProcess({
  brokerUrl: broker.url,
  stateFolder: folders[1]!.path,
  set: [
    'node.id=gateway',
    `http.port=${port}`,
    'router.low_confidence_action=answer',
    'http.requests_per_minute=100000',
  ],
});
const board = startDaemonProcess({
  brokerUrl: broker.url,
  stateFolder: folders[0]!.path,
  set: [
    `cloud.endpoints=${JSON.stringify([endpoint])}`,
    'telemetry.interval_s=1',
    'telemetry.min_interval_s=1',
  ],
});
try {
  for (const node of [NODE_ID, 'gateway']) {
    await until(
      () =>
        device.messages(`${BASE}/${node}/info`).at(-1)?.includes('"id":"twowatt-nano"') ?? false,
      `the model of ${node}`,
    );
  }
  const groups = {
    'in domain': rowsOf('nano-public.jsonl', Number(values['in-domain'])),
    general: rowsOf('ood.jsonl', Number(values.general)),
  };
  let spent = 0;
  let baseline = 0;
  let joules = 0;
  const table: Record<string, object> = {};
  for (const [name, prompts] of Object.entries(groups)) {
    const frames: TerminalFrame[] = [];
    for (const [index, content] of prompts.entries()) {
      const id = `${name.replaceAll(' ', '-')}-${index}`;
      await device.prompt({ id, messages: [{ role: 'user', content }], max_tokens: 120 });
      frames.push(await device.terminal(id, 120_000));
    }
    const done = frames.filter((frame): frame is DoneFrame => frame.type === 'done');
    for (const { cost, usage, energy } of done) {
      spent += cost.amount;
      baseline +=
        (usage.prompt_tokens * PRICE.price_in + usage.completion_tokens * PRICE.price_out) / 1e6;
      joules += energy.joules ?? 0;
    }
    const share = (count: number) => `${((100 * count) / prompts.length).toFixed(1)} %`;
    table[name] = {
      n: prompts.length,
      'on the board': share(done.filter(({ route }) => route.target === 'edge').length),
      'cloud at once': share(
        done.filter(({ route }) => route.target === 'cloud' && !route.escalated).length,
      ),
      escalated: share(done.filter(({ route }) => route.escalated).length),
      errors: share(frames.length - done.length),
    };
  }
  console.table(table);
  console.log(
    `cloud ${spent.toFixed(6)} USD; all of it in the cloud ${baseline.toFixed(6)} USD; saved ${((1 - spent / baseline) * 100).toFixed(1)} %; board ${joules.toFixed(1)} J`,
  );
} finally {
  await device.close();
  await board.stop();
  await gateway.stop();
  await broker.close();
  for (const folder of folders) folder.remove();
}
