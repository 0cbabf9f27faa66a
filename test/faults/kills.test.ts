import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../bench/router/random.ts';
import {
  connectDevice,
  type DaemonProcess,
  type Device,
  killQuietly,
  startDaemonProcess,
  temporaryFolder,
  until,
  waitOnline,
} from '../e2e/harness.ts';
import { type MosquittoBroker, mosquittoAvailable, startMosquitto } from '../fakes/brokers.ts';
import { createAccounts } from './accounts.ts';
import { startTraffic } from './traffic.ts';

/** `KILLS=1000 SEED=7 npm run test:faults -- kills`; MINUTES ends it earlier, with its accounts. */
const KILLS = Number(process.env['KILLS'] ?? 60);
const MINUTES = Number(process.env['MINUTES'] ?? 24 * 60);
const SEED = Number(process.env['SEED'] ?? 1);

const SHARES = { engine: 0.4, daemon: 0.25, broker: 0.35 };
/** So many prompts are always under way. */
const OPEN = 10;
const LONGEST_GAP_MS = 900;
/** Before so many of the kills something must have been answered since the last: kills under load. */
const WAITING_SHARE = 0.3;
/** After several kills in one life of the daemon it waits up to 30 s for the next connection, or engine. */
const PATIENCE_MS = 120_000;

describe.skipIf(!mosquittoAvailable())(`${KILLS} SIGKILLs of daemon, engine and broker`, () => {
  let broker: MosquittoBroker;
  let device: Device;
  let daemon: DaemonProcess;
  const folder = temporaryFolder();
  const journal = join(folder.path, 'queue.sqlite');
  const accounts = createAccounts();
  const random = createRandom(SEED);
  const pause = (ms: number) => new Promise((wake) => setTimeout(wake, ms));

  const start = () => {
    daemon = startDaemonProcess({
      brokerUrl: broker.url,
      stateFolder: folder.path,
      built: true,
      set: ['log.level=debug', 'router.low_confidence_action=answer'],
    });
  };

  beforeAll(async () => {
    // It keeps nothing over a kill: the worst of brokers.
    broker = await startMosquitto();
    device = await connectDevice(broker.url, { clientId: 'kill-device' });
    start();
    await waitOnline(device);
  });
  afterAll(async () => {
    await daemon.stop();
    await device.close();
    await broker.close();
    folder.remove();
  });

  it(
    'every accepted prompt is answered, nothing is run after its answer was stored or after its deadline',
    { timeout: 30_000 + KILLS * 20_000 },
    async () => {
      const startedAt = performance.now();
      const traffic = startTraffic(device, { random, open: OPEN });
      const kills = { engine: 0, daemon: 0, broker: 0 };
      const ended = () => performance.now() - startedAt > MINUTES * 60_000;
      for (let n = 0; n < KILLS && !ended(); n += 1) {
        const draw = random();
        const gapMs = random() * LONGEST_GAP_MS;
        if (random() < WAITING_SHARE) {
          const before = traffic.answered();
          await until(() => traffic.answered() > before, 'an answer', PATIENCE_MS).catch(
            (error: unknown) => {
              throw new Error(`after kill ${n}: ${daemon.output().slice(-6000)}`, { cause: error });
            },
          );
        }
        await pause(gapMs);
        if (draw < SHARES.engine) {
          killQuietly(await daemon.enginePid(PATIENCE_MS));
          kills.engine += 1;
        } else if (draw < SHARES.engine + SHARES.daemon) {
          await daemon.kill();
          accounts.afterLife(daemon.output(), journal);
          start();
          kills.daemon += 1;
        } else {
          await broker.kill();
          await pause(random() * 200);
          await broker.start();
          kills.broker += 1;
        }
        if (n % 50 === 49) {
          const { accepted, begun } = accounts.totals();
          console.log(
            `${n + 1} kills: ${accepted} accepted, ${begun} runs, ${traffic.answered()} answered`,
          );
        }
      }
      await traffic.finish(PATIENCE_MS * 2);
      await daemon.stop();
      accounts.afterLife(daemon.output(), journal);

      console.log(
        JSON.stringify({
          seed: SEED,
          kills,
          asked: traffic.asked.length,
          ...accounts.totals(),
          asked_again: traffic.askedAgain(),
          ends: accounts.ends(traffic.asked, (id) => device.terminals(id)),
          minutes: Math.round((performance.now() - startedAt) / 6000) / 10,
        }),
      );
      expect(accounts.faults(traffic.asked, (id) => device.terminals(id))).toEqual([]);
    },
  );
});
