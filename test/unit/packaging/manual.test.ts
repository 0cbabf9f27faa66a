import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { type CommandInfo, describeCommand, flatten } from '../../../packaging/command-tree.ts';
import { renderBashCompletion } from '../../../packaging/completion.ts';
import { renderManual } from '../../../packaging/manual.ts';
import { createProgram } from '../../../src/cli/program.ts';

const root = describeCommand(createProgram());
const plain = (roff: string) => roff.replaceAll('\\-', '-').replaceAll('\\(dq', '"');

describe('the manual page', () => {
  const manual = renderManual(root, '1.2.3', '2026-01-02');

  it('has every command with its description, options and examples', () => {
    const text = plain(manual);
    const commands = flatten(root).slice(1);
    expect(commands.length).toBeGreaterThan(15);
    for (const { path, description, options, remarks } of commands) {
      expect(text).toContain(`.SS "${path}"`);
      expect(text).toContain(description);
      for (const { flags } of options) expect(text).toContain(`.B ${flags}`);
      for (const line of remarks.split('\n')) expect(text).toContain(line.replaceAll('\\', '\\e'));
    }
  });

  it('knows the examples that only `--help` prints', () => {
    expect(plain(manual)).toContain('twowatt run --set mqtt.url=mqtt://broker.local:1883');
  });

  it('keeps lines that begin like roff requests', () => {
    const odd: CommandInfo = { ...root, commands: [{ ...root, remarks: ".TH away\n'and me" }] };
    const lines = renderManual(odd, '1', '2026-01-02').split('\n');
    expect(lines).toContain('\\&.TH away');
    expect(lines).toContain("\\&'and me");
  });

  it('is roff that groff has nothing to say about', ({ skip }) => {
    const groff = spawnSync('groff', ['-man', '-Tutf8', '-Kutf8', '-ww', '-z'], {
      input: manual,
      encoding: 'utf8',
    });
    if (groff.error !== undefined) skip('groff is not installed');
    expect(groff.stderr).toBe('');
    expect(groff.status).toBe(0);
  });
});

describe('bash completion', () => {
  const script = renderBashCompletion(root);

  function complete(...words: string[]): string[] {
    const run = spawnSync(
      'bash',
      [
        '-c',
        `${script}
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _twowatt; printf '%s\\n' "\${COMPREPLY[@]}"`,
        'bash',
        ...words,
      ],
      { encoding: 'utf8' },
    );
    expect(run.stderr).toBe('');
    return run.stdout.split('\n').filter((word) => word !== '');
  }

  it('offers the commands', () => {
    expect(complete('twowatt', '')).toEqual(
      expect.arrayContaining(root.commands.map(({ name }) => name)),
    );
    expect(complete('twowatt', 'prof')).toEqual(['profile']);
  });

  it('offers a command’s own commands and options', () => {
    expect(complete('twowatt', 'profile', 'cal')).toEqual(['calibrate']);
    expect(complete('twowatt', 'run', '--se')).toEqual(['--set']);
    expect(complete('twowatt', 'profile', 'calibrate', 'run', '--js')).toEqual(['--json']);
  });

  it('leaves the value of an option to bash, which offers files', () => {
    expect(complete('twowatt', 'run', '--config', '')).toEqual([]);
    expect(script).toContain('complete -o default -F _twowatt twowatt');
  });
});
