import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { compileFunction } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { nodeTopics } from '../../src/protocol/index.ts';

type FlowNode = {
  id: string;
  type: string;
  name: string;
  func?: string;
  wires?: string[][];
  z?: string;
};
type Message = { topic?: string; payload?: unknown; confidence?: number };

const nodes = JSON.parse(
  readFileSync(resolve(import.meta.dirname, '../../examples/node-red/ask-a-board.json'), 'utf8'),
) as (FlowNode & { env?: { name: string; value: string }[] })[];
const topics = nodeTopics('twowatt/v1', 'pi5-1a2b');

/** The function nodes as Node-RED runs them: the body of a function with `msg`, `env` and `flow`. */
function createFlow() {
  const stored = new Map<string, unknown>();
  const settings = new Map(nodes[0]?.env?.map(({ name, value }) => [name, value]));
  return (name: string, msg: Message): unknown => {
    const body =
      nodes.find((node) => node.name === name)?.func ?? 'throw new Error("no such node")';
    const run = compileFunction(body, ['msg', 'env', 'flow']) as (...args: object[]) => unknown;
    const flow = {
      get: (key: string) => structuredClone(stored.get(key)),
      set: (key: string, value: unknown) => stored.set(key, structuredClone(value)),
    };
    return run(msg, { get: (key: string) => settings.get(key) }, flow);
  };
}

describe('the Node-RED example', () => {
  it('is wired between nodes that are there', () => {
    const ids = new Set(nodes.map(({ id }) => id));
    expect(ids.size).toBe(nodes.length);
    const targets = nodes.flatMap(({ wires = [] }) => wires.flat());
    expect(targets.filter((id) => !ids.has(id))).toEqual([]);
    expect(nodes.filter(({ z }) => z !== undefined && !ids.has(z))).toEqual([]);
  });

  it('sends a prompt to the board and shows the answer while it grows', () => {
    const run = createFlow();
    const sent = run('Make the prompt', { payload: '打开台灯' }) as Message;
    expect(sent.topic).toBe(topics.prompt);
    const prompt = JSON.parse(String(sent.payload)) as { id: string; stream: boolean };
    expect(prompt).toMatchObject({
      stream: true,
      messages: [{ role: 'user', content: '打开台灯' }],
    });
    const read = (frame: object) =>
      run('Read it', { topic: topics.reply(prompt.id), payload: { id: prompt.id, ...frame } });

    expect(read({ type: 'accepted', queue_position: 0 })).toBeNull();
    expect(read({ type: 'delta', seq: 0, text: 'on' })).toEqual([{ payload: 'on' }, null, null]);
    expect(read({ type: 'delta', seq: 2, text: 'lost one' })).toBeNull();
    expect(read({ type: 'restart', reason: 'escalated' })).toBeNull();
    expect(read({ type: 'delta', seq: 0, text: 'off' })).toEqual([{ payload: 'off' }, null, null]);
    expect(read({ type: 'done', text: 'off.', confidence: 0.9 })).toMatchObject([
      null,
      { payload: 'off.', confidence: 0.9 },
      null,
    ]);
    expect(read({ type: 'error', error: { code: 'expired' } })).toEqual([
      null,
      null,
      { payload: { code: 'expired' } },
    ]);
  });

  it('leaves the answers to others alone, and shows the state', () => {
    const run = createFlow();
    run('Make the prompt', { payload: 'x' });
    const other = { id: 'other', type: 'done', text: 'no' };
    expect(run('Read it', { topic: topics.reply('other'), payload: other })).toBeNull();
    expect(run('Read it', { topic: topics.state, payload: { state: 'draining' } })).toEqual([
      null,
      null,
      null,
      { payload: 'draining' },
    ]);
    expect(run('Listen to the board', {})).toMatchObject({
      action: 'subscribe',
      topic: [{ topic: topics.reply('+') }, { topic: topics.state }],
    });
  });
});
