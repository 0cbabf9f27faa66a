import { connectAsync } from 'mqtt';
import { silentLogger } from '../../../src/core/index.ts';
import { startEmbeddedBroker } from '../../../src/gateway/mqtt/index.ts';
import { type ChatMessage, nodeTopics } from '../../../src/protocol/index.ts';

export const NODE = 'board';
const topics = nodeTopics('twowatt/v1', NODE);

export type BoardPrompt = { id: string; messages: ChatMessage[] } & Record<string, unknown>;
export type Reply = (frame: object) => void;

/** A broker with a board whose answers the test writes: what the command line does with them is tested. */
export async function startScriptedBoard(script: {
  onPrompt?: (prompt: BoardPrompt, reply: Reply) => void;
  onCancel?: (id: string, reply: Reply) => void;
}) {
  const broker = await startEmbeddedBroker({ port: 0, logger: silentLogger });
  const board = await connectAsync(broker.url, { protocolVersion: 4 });
  const prompts: BoardPrompt[] = [];
  const cancelled: string[] = [];
  board.on('message', (topic, payload) => {
    const body = JSON.parse(payload.toString()) as BoardPrompt;
    const head = { v: 1, id: body.id, node: NODE };
    const reply: Reply = (frame) =>
      void board.publish(topics.reply(body.id), JSON.stringify({ ...head, ...frame }), { qos: 1 });
    if (topic === topics.cancel) {
      cancelled.push(body.id);
      script.onCancel?.(body.id, reply);
    } else {
      prompts.push(body);
      script.onPrompt?.(body, reply);
    }
  });
  await board.subscribeAsync([topics.prompt, topics.cancel], { qos: 1 });
  return {
    url: broker.url,
    prompts,
    cancelled,
    async sayState(state: 'online' | 'offline') {
      const message = { state, since: null, instance: 'test' };
      await board.publishAsync(topics.state, JSON.stringify(message), { qos: 1, retain: true });
    },
    async close() {
      await board.endAsync(true);
      await broker.close();
    },
  };
}

/** A `done` frame with this text. */
export function doneWith(text: string, finishReason = 'stop'): object {
  return {
    type: 'done',
    text,
    finish_reason: finishReason,
    model: 'scripted',
    confidence: 0.9,
    usage: { prompt_tokens: 1, completion_tokens: 2, cached_tokens: 0 },
    timing: { queued_ms: 0, ttft_ms: 1, total_ms: 2, tokens_per_s: 3 },
  };
}

export const lastWords = (prompt: BoardPrompt): string => prompt.messages.at(-1)?.content ?? '';
