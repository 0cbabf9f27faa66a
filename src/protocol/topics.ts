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

/** What boards listen to or retain below `{base}/{node}` and `{base}/pool/{pool}`. */
const BOARD_TOPIC =
  /^[^/]+\/(prompt|prompt\/text|cancel|state|info|health|telemetry|request\/.*)$|^pool\/[^/]+\/(prompt|cancel)$/s;

/**
 * Why a prompt may not be answered on `topic`, or undefined when it may. A prompt must not be able
 * to command a board, so nothing that any board under this base listens to or retains is a reply
 * topic; ours or a neighbour's, the harm would be the same.
 */
export function replyTopicProblem(topic: string, base: string): string | undefined {
  if (topic.length === 0 || Buffer.byteLength(topic) > 1024) return 'must be 1 to 1024 bytes long';
  if (/[+#]/.test(topic)) return 'must not hold the wildcards + or #';
  if (topic.includes('\u0000')) return 'must not hold a NUL character';
  if (topic.startsWith('$')) return 'must not start with $';
  if (topic.startsWith(`${base}/`) && BOARD_TOPIC.test(topic.slice(base.length + 1))) {
    return 'must not be an inbound or retained topic of a board';
  }
  return undefined;
}
