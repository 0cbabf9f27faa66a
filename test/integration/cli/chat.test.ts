import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli, startCli, temporaryHome, until } from './cli-process.ts';
import { doneWith, lastWords, NODE, startScriptedBoard } from './scripted-board.ts';

type Board = Awaited<ReturnType<typeof startScriptedBoard>>;

describe('twowatt chat, piped', () => {
  let home: ReturnType<typeof temporaryHome>;
  let board: Board | undefined;
  beforeEach(() => (home = temporaryHome()));
  afterEach(async () => {
    await board?.close();
    board = undefined;
    home.remove();
  });

  const remote = (url: string) => ['chat', '--broker', url, '--node', NODE];
  const echo = () =>
    startScriptedBoard({
      onPrompt: (prompt, reply) => reply(doneWith(`re ${lastWords(prompt)}`)),
    });
  const contents = (index: number) => board?.prompts[index]?.messages.map(({ content }) => content);

  it('takes one line as one turn and remembers the turns before', async () => {
    board = await echo();
    const run = await runCli(home.path, remote(board.url), { input: 'a\n\nb\n' });
    expect(run).toEqual({ code: 0, stdout: 're a\nre b\n', stderr: '' });
    expect(contents(1)).toEqual(['a', 're a', 'b']);
  });

  it('forgets on clear', async () => {
    board = await echo();
    const run = await runCli(home.path, remote(board.url), { input: 'a\nclear\nb\n' });
    expect(run.stdout).toBe('re a\nre b\n');
    expect(contents(1)).toEqual(['b']);
  });

  it.each(['quit', 'exit', '退出', ' QUIT '])('leaves on %s', async (word) => {
    board = await echo();
    const run = await runCli(home.path, remote(board.url), { input: `a\n${word}\nb\n` });
    expect(run).toMatchObject({ code: 0, stdout: 're a\n' });
    expect(board.prompts).toHaveLength(1);
  });

  it('drops the oldest turns when the board says that the context is full', async () => {
    board = await startScriptedBoard({
      onPrompt(prompt, reply) {
        const error = { code: 'context_length_exceeded', message: 'too long', retryable: false };
        if (prompt.messages.length > 3) reply({ type: 'error', error });
        else reply(doneWith(`re ${lastWords(prompt)}`));
      },
    });
    const run = await runCli(home.path, remote(board.url), { input: 'a\nb\nc\n' });
    expect(run.stdout).toBe('re a\nre b\nre c\n');
    expect(run.stderr).toBe('(the 2 oldest turns no longer fit and are forgotten)\n');
    expect(run.code).toBe(0);
    expect(contents(3)).toEqual(['b', 're b', 'c']);
  });

  it('goes on after a failed turn, and fails at the end', async () => {
    board = await startScriptedBoard({
      onPrompt(prompt, reply) {
        const error = { code: 'internal', message: 'broken', retryable: true };
        if (lastWords(prompt) === 'a') reply({ type: 'error', error });
        else reply(doneWith('fine'));
      },
    });
    const run = await runCli(home.path, remote(board.url), { input: 'a\nb\n' });
    expect(run).toEqual({ code: 1, stdout: 'fine\n', stderr: 'twowatt: internal: broken\n' });
    expect(contents(1)).toEqual(['b']);
  });

  it('stops the answer on the first interrupt and leaves on the second', async () => {
    board = await startScriptedBoard({
      onPrompt: (_prompt, reply) => reply({ type: 'delta', seq: 0, text: 'half' }),
      onCancel: (_id, reply) => reply(doneWith('half', 'cancelled')),
    });
    const run = startCli(home.path, remote(board.url));
    run.write('a\n');
    await until(() => run.stdout() === 'half', 'the first delta');
    run.signal('SIGINT');
    await until(() => run.stdout() === 'half\n', 'the end of the answer');
    expect(board.cancelled).toHaveLength(1);
    // What follows within a blink counts as the same press, so it is pressed until it is heard.
    const pressing = setInterval(() => run.signal('SIGINT'), 100);
    expect(await run.exited).toBe(130);
    clearInterval(pressing);
  });

  it('prints one frame a turn with --json', async () => {
    board = await echo();
    const run = await runCli(home.path, [...remote(board.url), '--json'], { input: 'a\nb\n' });
    const frames = run.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { text: string });
    expect(frames.map(({ text }) => text)).toEqual(['re a', 're b']);
  });
});
