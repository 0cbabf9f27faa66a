import {
  BASE,
  connectDevice,
  type DaemonProcess,
  type Device,
  NODE_ID,
  startDaemonProcess,
  temporaryFolder,
  until,
} from '../e2e/harness.ts';
import { type MosquittoBroker, startMosquitto } from '../fakes/brokers.ts';

/** The same id and body again is the same prompt. */
const ASK_AGAIN_MS = 15_000;

export const root = `${BASE}/${NODE_ID}`;

export type TestNode = {
  broker: MosquittoBroker;
  device: Device;
  daemon: DaemonProcess;
  stateFolder: string;
  /** The daemon again, on the same folder; resolves at once. */
  start(options?: Partial<Parameters<typeof startDaemonProcess>[0]>): void;
  /** Codes of the conditions that the node reported last. */
  conditions(): string[];
  /** Waits for the node to report this condition, or to report it no more. */
  reports(code: string, present?: boolean, timeoutMs?: number): Promise<string>;
  /** Asks and waits for the terminal frame: `done`, or the code of the error. */
  ask(id: string, fields?: object, timeoutMs?: number): Promise<string>;
  close(): Promise<void>;
};

/** A broker, a device and the built daemon, online. */
export async function startNode(
  options: Partial<Parameters<typeof startDaemonProcess>[0]> & {
    /** The broker to use, where the test needs one of another kind. */
    broker?: MosquittoBroker;
    online?: boolean;
  } = {},
): Promise<TestNode> {
  const folder = temporaryFolder();
  const broker = options.broker ?? (await startMosquitto());
  const device = await connectDevice(broker.url, { clientId: `device-of-${broker.port}` });
  const health = () =>
    JSON.parse(device.messages(`${root}/health`).at(-1) ?? '[]') as {
      code: string;
      text: string;
    }[];
  const node: TestNode = {
    broker,
    device,
    daemon: undefined as unknown as DaemonProcess,
    stateFolder: options.stateFolder ?? folder.path,
    start(again = {}) {
      node.daemon = startDaemonProcess({
        brokerUrl: broker.url,
        built: true,
        ...options,
        stateFolder: node.stateFolder,
        ...again,
        set: ['router.low_confidence_action=answer', ...(options.set ?? []), ...(again.set ?? [])],
      });
    },
    conditions: () => health().map(({ code }) => code),
    async reports(code, present = true, timeoutMs = 120_000) {
      const found = () => health().find((condition) => condition.code === code);
      await until(() => (found() !== undefined) === present, `${code} ${present}`, timeoutMs);
      return found()?.text ?? '';
    },
    async ask(id, fields = {}, timeoutMs = 120_000) {
      const messages = [{ role: 'user', content: 'what is MQTT' }];
      const publish = () => {
        device.prompt({ id, messages, max_tokens: 32, ...fields }).catch(() => {});
      };
      publish();
      // A broker that has forgotten the node drops what comes before the node is back.
      const again = setInterval(publish, ASK_AGAIN_MS);
      const frame = await device.terminal(id, timeoutMs).finally(() => clearInterval(again));
      return frame.type === 'done' ? 'done' : frame.error.code;
    },
    async close() {
      if (node.daemon.running()) await node.daemon.stop();
      await device.close();
      await broker.close();
      folder.remove();
    },
  };
  node.start();
  if (options.online !== false) {
    // A machine that has other things to do may take a minute for a start.
    const online = () => device.messages(`${root}/state`).at(-1)?.includes('"online"') ?? false;
    await until(online, 'the node to be online', 150_000);
  }
  return node;
}
