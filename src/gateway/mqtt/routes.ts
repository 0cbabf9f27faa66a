import { isTopicLevel, nodeTopics, poolTopics } from '../../protocol/index.ts';
import type { Subscription } from './connection.ts';
import type { InboundPrompt } from '../../service/ports.ts';

export type PromptRoute = Pick<InboundPrompt, 'format' | 'defaultReplyTopic' | 'invalidReplyTopic'>;

/** What a topic that reached us stands for. */
export type Route =
  /** `strayPool`: a pool that we are no longer in, whose subscription the broker still holds. */
  | { kind: 'prompt'; prompt: PromptRoute; strayPool?: string }
  | { kind: 'cancel' }
  | { kind: 'request'; verb: string }
  | { kind: 'state' }
  | { kind: 'watched' }
  /** Not ours: left over from another base topic. */
  | { kind: 'stranger' };

type Names = {
  baseTopic: string;
  node: string;
  pools: readonly string[];
  watch?: readonly string[];
};

export function createRouter({
  baseTopic,
  node,
  pools,
  watch = [],
}: Names): (topic: string) => Route {
  const own = nodeTopics(baseTopic, node);
  const poolPrompt = (pool: string): PromptRoute => {
    const topics = poolTopics(baseTopic, pool);
    return {
      format: 'frames',
      defaultReplyTopic: topics.reply,
      invalidReplyTopic: topics.replyInvalid,
    };
  };
  const routes = new Map<string, Route>([
    [
      own.prompt,
      {
        kind: 'prompt',
        prompt: {
          format: 'frames',
          defaultReplyTopic: own.reply,
          invalidReplyTopic: own.replyInvalid,
        },
      },
    ],
    [
      own.promptText,
      {
        kind: 'prompt',
        prompt: {
          format: 'text',
          defaultReplyTopic: () => own.replyText,
          invalidReplyTopic: own.replyText,
        },
      },
    ],
    [own.cancel, { kind: 'cancel' }],
    [own.state, { kind: 'state' }],
    ...watch.map((topic): [string, Route] => [topic, { kind: 'watched' }]),
  ]);
  for (const pool of pools) {
    const topics = poolTopics(baseTopic, pool);
    routes.set(topics.prompt, { kind: 'prompt', prompt: poolPrompt(pool) });
    routes.set(topics.cancel, { kind: 'cancel' });
  }
  const poolRoot = `${baseTopic}/pool/`;

  return (topic) => {
    const known = routes.get(topic);
    if (known !== undefined) return known;
    if (topic.startsWith(own.requestPrefix)) {
      return { kind: 'request', verb: topic.slice(own.requestPrefix.length) };
    }
    if (topic.startsWith(poolRoot)) {
      const [pool = '', leaf, ...rest] = topic.slice(poolRoot.length).split('/');
      if (leaf === 'prompt' && rest.length === 0 && isTopicLevel(pool)) {
        // The broker chose us for it, so nobody else will answer.
        return { kind: 'prompt', prompt: poolPrompt(pool), strayPool: pool };
      }
    }
    return { kind: 'stranger' };
  };
}

/**
 * Everything but the pools. The state topic is ours to write; we listen to it at QoS 0, so that the
 * broker never queues it: what arrives there without the retained flag is happening now.
 */
export function ownSubscriptions({ baseTopic, node, pools, watch = [] }: Names): Subscription[] {
  const own = nodeTopics(baseTopic, node);
  return [
    { topic: own.state, qos: 0 },
    ...watch.map((topic) => ({ topic, qos: 0 as const })),
    { topic: own.cancel, qos: 1 },
    { topic: own.requestFilter, qos: 1 },
    ...pools.map((pool) => ({ topic: poolTopics(baseTopic, pool).cancel, qos: 1 as const })),
    { topic: own.prompt, qos: 1 },
    { topic: own.promptText, qos: 1 },
  ];
}

export function sharedSubscriptions({ baseTopic, pools }: Names): Subscription[] {
  return pools.map((pool) => ({ topic: poolTopics(baseTopic, pool).sharedPrompt, qos: 1 }));
}
