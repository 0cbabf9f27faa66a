import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli, startCli, temporaryHome, until } from './cli-process.ts';
import { doneWith, lastWords, NODE, startScriptedBoard } from './scripted-board.ts';

type Board = Awaited<ReturnType<typeof startScriptedBoard>>;

describe('twowatt ask over MQTT', () => {
  let home: ReturnType<typeof temporaryHome>;
  let board: Board | undefined;
  beforeEach(() => (home = temporaryHome()));
  afterEach(async () => {
    await board?.close();
    board = undefined;
    home.remove();
  });

  const remote = (url: string) => ['ask', '--broker', url, '--node', NODE];

  it('streams the answer to stdout and nothing else', async () => {
    board = await startScriptedBoard({
      onPrompt(_prompt, reply) {
        reply({ type: 'accepted', queue_position: 0, eta_ms: null });
        reply({ type: 'delta', seq: 0, text: '开' });
        reply({ type: 'delta', seq: 1, text: '灯' });
        reply(doneWith('开灯'));
      },
    });
    await board.sayState('online');
    const flags =
      '--max-tokens 9 --temperature 0.5 --top-p 0.9 --top-k 4 --seed 7 --system brief turn it on';
    const run = await runCli(home.path, [...remote(board.url), ...flags.split(' ')]);
    expect(run).toEqual({ code: 0, stdout: '开灯\n', stderr: '' });
    expect(board.prompts[0]).toMatchObject({
      messages: [
        { role: 'system', content: 'brief' },
        { role: 'user', content: 'turn it on' },
      ],
      max_tokens: 9,
      temperature: 0.5,
      top_p: 0.9,
      top_k: 4,
      seed: 7,
    });
  });

  it.each([[['-']], [[]]])('reads the prompt from stdin for %j', async (words) => {
    board = await startScriptedBoard({
      onPrompt: (prompt, reply) => reply(doneWith(`re ${lastWords(prompt)}`)),
    });
    const run = await runCli(home.path, [...remote(board.url), ...words], {
      input: 'line one\nline two\n',
    });
    expect(run).toEqual({ code: 0, stdout: 're line one\nline two\n', stderr: '' });
  });

  it('does not wait for stdin when there is a prompt', async () => {
    board = await startScriptedBoard({ onPrompt: (_prompt, reply) => reply(doneWith('yes')) });
    const run = startCli(home.path, [...remote(board.url), 'x']);
    expect(await run.exited).toBe(0);
    expect(run.stdout()).toBe('yes\n');
  });

  it('prints the terminal frame with --json', async () => {
    board = await startScriptedBoard({ onPrompt: (_prompt, reply) => reply(doneWith('yes')) });
    const run = await runCli(home.path, [...remote(board.url), '--json', 'x']);
    expect(JSON.parse(run.stdout)).toMatchObject({ v: 1, type: 'done', text: 'yes', node: NODE });
    expect(run).toMatchObject({ code: 0, stderr: '' });
  });

  it('ends with 1 and the coded error when the board refuses', async () => {
    const error = { code: 'queue_full', message: 'the queue is full', retryable: true };
    board = await startScriptedBoard({
      onPrompt: (_prompt, reply) => reply({ type: 'error', error }),
    });
    expect(await runCli(home.path, [...remote(board.url), 'x'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'twowatt: queue_full: the queue is full\n',
    });
    const json = await runCli(home.path, [...remote(board.url), '--json', 'x']);
    expect(JSON.parse(json.stdout)).toMatchObject({ type: 'error', error });
    expect(json.code).toBe(1);
  });

  it('ends with 3 when no broker listens', async () => {
    board = await startScriptedBoard({});
    const { url } = board;
    await board.close();
    board = undefined;
    const run = await runCli(home.path, [...remote(url), 'x']);
    expect(run.stderr).toMatch(/nothing listens at 127\.0\.0\.1:\d+; is the broker running\?/);
    expect(run.code).toBe(3);
  });

  it('ends with 3 when the node says that it is offline, and leaves no prompt behind', async () => {
    board = await startScriptedBoard({});
    await board.sayState('offline');
    const run = await runCli(home.path, [...remote(board.url), 'x']);
    expect(run.stderr).toBe('twowatt: node "board" is offline: its daemon is not running\n');
    expect(run.code).toBe(3);
    expect(board.prompts).toEqual([]);
  });

  it('ends with 3 and advice when nothing answers', async () => {
    board = await startScriptedBoard({});
    const run = await runCli(home.path, [...remote(board.url), '--timeout', '0.5', 'x']);
    expect(run.stderr).toMatch(/nothing answered on topic .*is the daemon of node "board" running/);
    expect(run.code).toBe(3);
  });

  it('cancels on the board when it is interrupted, prints what there is and ends with 130', async () => {
    board = await startScriptedBoard({
      onPrompt: (_prompt, reply) => reply({ type: 'delta', seq: 0, text: 'half' }),
      onCancel: (_id, reply) => reply(doneWith('half', 'cancelled')),
    });
    const run = startCli(home.path, [...remote(board.url), 'x']);
    await until(() => run.stdout() === 'half', 'the first delta');
    run.signal('SIGINT');
    expect(await run.exited).toBe(130);
    expect(run.stdout()).toBe('half\n');
    expect(board.cancelled).toEqual([board.prompts[0]?.id]);
  });

  it('continues after a restart without saying anything twice', async () => {
    board = await startScriptedBoard({
      onPrompt(_prompt, reply) {
        reply({ type: 'delta', seq: 0, text: 'one ' });
        reply({ type: 'restart', reason: 'engine restarted' });
        reply({ type: 'delta', seq: 0, text: 'one ' });
        reply({ type: 'delta', seq: 1, text: 'two' });
        reply(doneWith('one two'));
      },
    });
    const run = await runCli(home.path, [...remote(board.url), 'x']);
    expect(run).toEqual({ code: 0, stdout: 'one two\n', stderr: '' });
  });
});
