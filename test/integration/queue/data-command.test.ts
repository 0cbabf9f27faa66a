import { spawnSync } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { acceptNew, openBench } from '../../unit/queue/fixture.ts';

const DATA = pathToFileURL(resolve(import.meta.dirname, '../../../src/cli/data.ts')).href;
const SCRIPT = `
  import { Command } from 'commander';
  const { addDataCommand } = await import(${JSON.stringify(DATA)});
  const program = new Command('twowatt');
  addDataCommand(program);
  await program.parseAsync(process.argv.slice(1), { from: 'user' });
`;

function run(path: string, ...args: string[]) {
  const set = ['--set', `queue.path=${path}`, '--set', `node.state_folder=${dirname(path)}`];
  return spawnSync(
    process.execPath,
    ['--input-type=module', '-e', SCRIPT, '--', 'data', 'erase', ...set, ...args],
    { encoding: 'utf8', env: { PATH: process.env['PATH'], HOME: dirname(path) } },
  );
}

it('twowatt data erase wants --yes without a terminal, refuses beside a daemon, and prints counts', () => {
  const bench = openBench();
  bench.journal.complete(acceptNew(bench.journal, 'a', { session: 's' }), 'A', [
    { role: 'user', content: 'q' },
  ]);
  acceptNew(bench.journal, 'b');

  const unasked = run(bench.path);
  expect([unasked.status, unasked.stdout]).toEqual([2, '']);
  expect(unasked.stderr).toMatch(/--yes/);

  const beside = run(bench.path, '--yes');
  expect([beside.status, beside.stdout]).toEqual([1, '']);
  expect(beside.stderr).toMatch(/another process has it open \(is the daemon running\?\)/);

  bench.journal.close();
  const erased = run(bench.path, '--yes', '--json');
  expect(erased.status).toBe(0);
  expect(JSON.parse(erased.stdout)).toEqual({
    path: bench.path,
    erased: { prompts: 1, answers: 1, sessions: 1 },
  });
  expect(run(bench.path, '--yes').stdout).toMatch(/waiting prompts 0, answers 0, sessions 0/);
});
