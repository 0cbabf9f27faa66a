import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { type LoadedConfig, loadConfig } from '../config/index.ts';
import { createSystemClock, isErrno, Scope, packageVersion } from '../core/index.ts';
import { nodeTopics } from '../protocol/index.ts';
import {
  action,
  CliError,
  type CommonOptions,
  EXIT,
  homeFolder,
  withCommonOptions,
} from './common.ts';
import { DEMO_SCENES } from './demo-prompts.ts';
import { type DemoScreen, type DemoSetting, jsonScreen, terminalScreen } from './demo-screen.ts';
import { onSignals } from './interrupt.ts';

type DemoOptions = CommonOptions & { once?: boolean };

const NODE = 'demo';
const GATEWAY = 'gateway';
const USUAL_PORT = 1883;
const USUAL_HTTP_PORT = 8470;

/** Listens for a moment; undefined when the port is taken. */
function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) =>
      isErrno(error, 'EADDRINUSE') ? resolve(undefined) : reject(error),
    );
    probe.listen(port, '127.0.0.1', () => {
      const address = probe.address();
      const found = typeof address === 'object' && address !== null ? address.port : undefined;
      probe.close(() => resolve(found));
    });
  });
}

async function freePort(usual: number): Promise<number> {
  const port = (await tryPort(usual)) ?? (await tryPort(0));
  if (port === undefined) throw new CliError(EXIT.failed, 'there is no free port on this machine');
  return port;
}

/** Only what the demo says counts, not this machine's configuration: it must work everywhere alike. */
function demoConfig(set: string[], file?: string) {
  return loadConfig({
    file,
    searchFiles: [],
    env: {},
    overlayPath: null,
    homeFolder: homeFolder(),
    set: ['log.level=error', ...set],
  });
}

type Ports = { mqtt: number; http: number; gateway: number };

/** The board, and the bigger machine at the gateway to which it hands what it cannot answer. */
function demoConfigs(options: DemoOptions, stateFolder: string, ports: Ports) {
  const endpoint = {
    name: GATEWAY,
    base_url: `http://127.0.0.1:${ports.gateway}/v1`,
    model: 'twowatt-nano',
    price_in: 0.1,
    price_out: 0.4,
  };
  return {
    board: demoConfig(
      [
        `node.id=${NODE}`,
        `node.state_folder=${join(stateFolder, NODE)}`,
        'mqtt.embedded=true',
        `mqtt.embedded_port=${ports.mqtt}`,
        `http.port=${ports.http}`,
        `cloud.endpoints=${JSON.stringify([endpoint])}`,
        'router.low_confidence_action=error',
        ...options.set,
      ],
      options.config,
    ),
    gateway: demoConfig([
      `node.id=${GATEWAY}`,
      `node.state_folder=${join(stateFolder, GATEWAY)}`,
      `mqtt.url=mqtt://127.0.0.1:${ports.mqtt}`,
      `http.port=${ports.gateway}`,
      // The bigger machine, with the mains behind it.
      'governor.budget_w=50',
      'router.low_confidence_action=error',
      // What is said of models counts for both; ports and names are each one's own.
      ...options.set.filter((setting) => /^(model|engine)\./.test(setting)),
    ]),
  };
}

type Client = Awaited<ReturnType<(typeof import('../gateway/mqtt/index.ts'))['connectDevice']>>;

/** Plays the device: every scene, every turn; false when an answer failed. */
async function playScenes(client: Client, screen: DemoScreen, signal: AbortSignal) {
  let allWell = true;
  for (const scene of DEMO_SCENES) {
    screen.scene(scene.title);
    const session = scene.session === true ? 'demo' : null;
    for (const text of scene.turns) {
      if (signal.aborted) return allWell;
      screen.prompt(text);
      const frame = await client.ask({
        prompt: {
          messages: [{ role: 'user', content: text }],
          ...(session === null ? {} : { session }),
          ...(scene.route === undefined ? {} : { route: scene.route }),
        },
        onFrame: (part) => screen.frame(part),
        signal,
      });
      screen.answered({ prompt: text, session, frame });
      if (frame.type === 'error' && frame.error.code !== scene.refused) allWell = false;
    }
  }
  return allWell;
}

async function demo(options: DemoOptions): Promise<void> {
  const clock = createSystemClock();
  const interrupt = new AbortController();
  const { promise: interrupted, resolve: onInterrupted } = Promise.withResolvers<void>();
  onSignals(['SIGINT', 'SIGTERM', 'SIGHUP'], clock, () => {
    if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
    interrupt.abort();
    onInterrupted();
  });
  const scope = new Scope();
  try {
    const stateFolder = mkdtempSync(join(tmpdir(), 'twowatt-demo-'));
    scope.defer('the state folder', () => rmSync(stateFolder, { recursive: true, force: true }));
    const port = await freePort(USUAL_PORT);
    const httpPort = await freePort(USUAL_HTTP_PORT);
    const gatewayPort = await freePort(0);
    const { board: config, gateway } = demoConfigs(options, stateFolder, {
      mqtt: port,
      http: httpPort,
      gateway: gatewayPort,
    });
    const setting: DemoSetting = {
      version: packageVersion(),
      broker: `mqtt://127.0.0.1:${port}`,
      portTaken: port !== USUAL_PORT,
      node: config.values.node.id,
    };
    const screen =
      options.json === true ? jsonScreen(process.stdout) : terminalScreen(process.stdout);
    screen.opening(setting);

    const startedMs = clock.monotonicMs();
    const { createLogger, startDaemon } = await import('../daemon/index.ts');
    const { connectDevice } = await import('../gateway/mqtt/index.ts');
    const start = async (what: LoadedConfig) => {
      const daemon = await startDaemon({
        config: what,
        clock,
        logger: createLogger({ ...what.values.log, destination: process.stderr }),
        requestRestart: () => interrupt.abort(),
      });
      scope.defer('a daemon', () => daemon.stop('demo over'));
      return daemon;
    };
    const daemon = await start(config);
    const cloud = await start(gateway);
    await Promise.race([Promise.all([daemon.ready, cloud.ready]), interrupted]);
    if (interrupt.signal.aborted) throw new CliError(EXIT.interrupted, 'interrupted');
    const model = daemon.model();
    if (model === null) throw new CliError(EXIT.failed, 'the model could not be loaded; see above');
    screen.ready(`${model.id} (${model.form})`, (clock.monotonicMs() - startedMs) / 1000);

    const baseTopic = config.values.mqtt.base_topic;
    const client = await connectDevice({
      url: setting.broker,
      baseTopic,
      node: setting.node,
      clock,
    });
    scope.defer('the device', () => client.close());
    const allWell = await playScenes(client, screen, interrupt.signal);
    if (interrupt.signal.aborted) throw new CliError(EXIT.interrupted, 'interrupted');
    if (!allWell) process.exitCode = EXIT.failed;
    if (options.once !== true) {
      const topics = nodeTopics(baseTopic, setting.node);
      screen.closing({
        ...setting,
        promptTextTopic: topics.promptText,
        replyTextTopic: topics.replyText,
        http: daemon.httpAddress(),
      });
      await interrupted;
      process.stdout.write('\n');
    }
  } finally {
    await scope.close();
  }
}

export function addDemoCommand(program: Command): void {
  withCommonOptions(
    program
      .command('demo')
      .description('a broker, the daemon and a real model on this machine; nothing to configure')
      .option('--once', 'end after the prompts'),
  )
    .addHelpText(
      'after',
      `
Sends a handful of Chinese and English prompts as a device would, then says how to send your own.

Examples:
  twowatt demo
  twowatt demo --once --json`,
    )
    .action(action(demo));
}
