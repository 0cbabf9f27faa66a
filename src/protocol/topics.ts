/** What a node subscribes to, publishes and retains (contract section 1). */
export type NodeTopics = ReturnType<typeof nodeTopics>;

/** Characters that would let an id or topic level reach into other topics. */
const UNSAFE_IN_LEVEL = ['/', '+', '#', '\u0000'];

export function isTopicLevel(value: string): boolean {
  return (
    value.length > 0 &&
    value.length <= 128 &&
    !value.startsWith('$') &&
    !UNSAFE_IN_LEVEL.some((character) => value.includes(character))
  );
}

export function nodeTopics(base: string, node: string) {
  const root = `${base}/${node}`;
  return {
    prompt: `${root}/prompt`,
    promptText: `${root}/prompt/text`,
    replyText: `${root}/reply/text`,
    reply: (id: string) => `${root}/reply/${id}`,
    replyInvalid: `${root}/reply/invalid`,
    cancel: `${root}/cancel`,
    state: `${root}/state`,
    info: `${root}/info`,
    health: `${root}/health`,
    telemetry: `${root}/telemetry`,
    requestFilter: `${root}/request/+`,
    requestPrefix: `${root}/request/`,
    response: (verb: string) => `${root}/response/${verb}`,
  };
}

export function poolTopics(base: string, pool: string) {
  const root = `${base}/pool/${pool}`;
  return {
    prompt: `${root}/prompt`,
    sharedPrompt: `$share/${pool}/${root}/prompt`,
    reply: (id: string) => `${root}/reply/${id}`,
    replyInvalid: `${root}/reply/invalid`,
    cancel: `${root}/cancel`,
  };
}

/**
 * Why a prompt may not be answered on `topic`, or undefined when it may. A prompt must not be able
 * to command a board, so nothing that this node listens to or retains is a reply topic.
 */
export function replyTopicProblem(
  topic: string,
  base: string,
  node: string,
  pools: readonly string[],
): string | undefined {
  if (topic.length === 0 || Buffer.byteLength(topic) > 1024) return 'must be 1 to 1024 bytes long';
  if (/[+#]/.test(topic)) return 'must not hold the wildcards + or #';
  if (topic.includes('\u0000')) return 'must not hold a NUL character';
  if (topic.startsWith('$')) return 'must not start with $';
  const own = nodeTopics(base, node);
  const forbidden = new Set([
    own.prompt,
    own.promptText,
    own.cancel,
    own.state,
    own.info,
    own.health,
    own.telemetry,
  ]);
  for (const pool of pools) {
    forbidden.add(poolTopics(base, pool).prompt);
    forbidden.add(poolTopics(base, pool).cancel);
  }
  if (forbidden.has(topic) || topic.startsWith(own.requestPrefix)) {
    return "must not be one of the node's own inbound or retained topics";
  }
  return undefined;
}
