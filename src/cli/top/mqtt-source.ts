import { brokerCredentials } from '../../config/index.ts';
import type { Clock } from '../../core/index.ts';
import { UnreachableError, watchBoard } from '../../gateway/mqtt/index.ts';
import { isTopicLevel, type Telemetry } from '../../protocol/index.ts';
import { CliError, type CommonOptions, EXIT } from '../common.ts';
import { loadConfigForCli } from '../config.ts';
import type { Decision, News, Source } from './look.ts';

/** By itself a board publishes every half minute at most; whoever looks asks for more. */
const ASK_PERIOD_MS = 2000;
const MOST_DECISIONS = 20;

/** An entry of the request `decisions`. */
type Entry = Omit<Decision, 'totalMs'> & { total_ms: number | null };

const toDecision = ({ total_ms: totalMs, ...entry }: Entry): Decision => ({ ...entry, totalMs });

/** Follows a board through its broker. Throws a CliError when the broker is away. */
export async function openMqttSource(options: {
  common: CommonOptions;
  broker: string;
  node: string;
  clock: Clock;
  onNews: (news: News) => void;
}): Promise<Source> {
  const { broker, node, clock, onNews } = options;
  if (!isTopicLevel(node)) {
    throw new CliError(EXIT.usage, `--node: "${node}" cannot be a level of a topic`);
  }
  const { mqtt } = loadConfigForCli(options.common).values;
  let offline = false;
  const watch = await watchBoard(
    {
      url: broker,
      node,
      baseTopic: mqtt.base_topic,
      ...brokerCredentials(mqtt, process.env),
      clock,
    },
    (news) => {
      if (news.type === 'state') offline = news.data.state === 'offline';
      onNews(
        news.type === 'connection' && !news.data.connected
          ? { type: 'connection', data: { connected: false, problem: 'the broker is away' } }
          : news,
      );
    },
  ).catch((error: unknown) => {
    throw error instanceof UnreachableError ? new CliError(EXIT.unreachable, error.message) : error;
  });
  const ask = async (): Promise<void> => {
    if (offline) return;
    try {
      const [pong, recent] = await Promise.all([
        watch.request('ping', { telemetry: true }),
        watch.request('decisions', { limit: MOST_DECISIONS }),
      ]);
      const { telemetry } = pong as { telemetry?: Telemetry | null };
      if (telemetry) onNews({ type: 'telemetry', data: telemetry });
      const { decisions } = recent as { decisions: Entry[] };
      onNews({ type: 'decisions', data: decisions.map(toDecision) });
    } catch {
      // Its state topic says when it is gone; otherwise the next question may be answered.
    }
  };
  let asking: Promise<void> | undefined;
  const question = () => {
    asking ??= ask().finally(() => (asking = undefined));
  };
  question();
  const timer = clock.setRepeating(ASK_PERIOD_MS, question);
  return {
    async close() {
      timer.cancel();
      await watch.close();
    },
  };
}
