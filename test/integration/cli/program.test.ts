import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LATER_COMMANDS } from '../../../src/cli/later.ts';
import { createProgram } from '../../../src/cli/program.ts';
import { packageVersion } from '../../../src/core/index.ts';
import { runCli, temporaryHome } from './cli-process.ts';

/** Section 3 of the contract. */
const CONTRACT_VERBS =
  'run demo ask chat model profile route bench sim top doctor data fleet service config'.split(' ');

describe('twowatt', () => {
  let home: ReturnType<typeof temporaryHome>;
  beforeAll(() => (home = temporaryHome()));
  afterAll(() => home.remove());

  it('has every verb of the contract, each with help', () => {
    const commands = createProgram().commands;
    expect(commands.map((command) => command.name())).toEqual(
      expect.arrayContaining(CONTRACT_VERBS),
    );
    for (const command of commands) {
      expect(command.description(), command.name()).not.toBe('');
      expect(command.helpInformation(), command.name()).toContain('--help');
    }
  });

  it('prints help and version to stdout', async () => {
    const help = await runCli(home.path, ['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('twowatt ask');
    expect(await runCli(home.path, ['--version'])).toEqual({
      code: 0,
      stdout: `${packageVersion()}\n`,
      stderr: '',
    });
    const ask = await runCli(home.path, ['ask', '--help']);
    expect(ask.code).toBe(0);
    for (const flag of ['--model', '--broker', '--node', '--max-tokens', '--seed', '--json']) {
      expect(ask.stdout).toContain(flag);
    }
  });

  it.each([
    [['aks', 'hello'], /unknown command 'aks'[\s\S]*Did you mean ask\?/],
    [['ask', '--sed', '1', 'x'], /unknown option '--sed'[\s\S]*Did you mean .*--seed/],
    [['ask', '--seed', 'one', 'x'], /--seed.*expected a number/],
    [['ask', '--temperature', '3', 'x'], /--temperature: expected a number from 0 to 2/],
    [['ask', '--top-k', '1.5', 'x'], /--top-k: expected a whole number/],
    [['ask', '--node', 'pi', 'x'], /--broker URL and --node ID belong together/],
    [['ask', '--broker', 'mqtt://127.0.0.1', '--node', 'a/b', 'x'], /--node: "a\/b" cannot be/],
    [['ask', '--set', 'mqtt.keepalive_s=soon', 'x'], /mqtt\.keepalive_s/],
    [['ask', '-'], /the prompt is empty/],
    [['run', '--set', 'no.such=1'], /no\.such/],
    [['run', '--config', '/nowhere/twowatt.yaml'], /there is no such file/],
    [['run', 'fast'], /too many arguments/],
    [[], /Usage: twowatt/],
  ])('%j is wrong usage', async (args, message) => {
    const { code, stdout, stderr } = await runCli(home.path, args);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it.each(Object.keys(LATER_COMMANDS))('says in one line that %s comes later', async (verb) => {
    const { code, stdout, stderr } = await runCli(home.path, [verb, 'thing', '--boards', '3']);
    expect(stderr).toBe(`twowatt: unsupported: \`twowatt ${verb}\` comes with a later version\n`);
    expect(stdout).toBe('');
    expect(code).toBe(1);
  });

  it('writes no escape codes into a pipe', async () => {
    for (const env of [{}, { NO_COLOR: '1' }, { TERM: 'xterm-256color' }]) {
      const { stdout, stderr } = await runCli(home.path, ['--help'], { env });
      expect(stdout + stderr).not.toContain('\u001B');
    }
  });
});
