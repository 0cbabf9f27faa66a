import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { settings } from '../../../src/config/index.ts';

const COMMAND = pathToFileURL(resolve(import.meta.dirname, '../../../src/cli/config.ts')).href;

/** `twowatt config` in a process of its own, since it speaks by its exit code. */
const SCRIPT = `
  import { Command } from 'commander';
  import { addConfigCommand } from ${JSON.stringify(COMMAND)};
  const program = new Command();
  addConfigCommand(program);
  await program.parseAsync(process.argv);
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'twowatt-command-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function run(args: string[], env: Record<string, string> = {}) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((done) => {
    const child = execFile(
      process.execPath,
      ['--input-type=module', '-e', SCRIPT, '--', 'twowatt', 'config', ...args],
      {
        env: { PATH: process.env['PATH'], HOME: folder, ...env },
        cwd: resolve(import.meta.dirname, '../../..'),
      },
      (_error, stdout, stderr) => done({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

describe('twowatt config', () => {
  it('prints every setting, its value and its origin', async () => {
    const file = join(folder, 'c.yaml');
    writeFileSync(file, 'governor: {budget_w: 1.5}\n');
    const { code, stdout } = await run(['--config', file, '--set', 'log.level=warn'], {
      TWOWATT_HTTP__PORT: '9000',
    });
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(settings.size);
    expect(stdout).toMatch(new RegExp(`^governor\\.budget_w +1\\.5 +file ${file}$`, 'm'));
    expect(stdout).toMatch(/^log\.level +warn +flag --set$/m);
    expect(stdout).toMatch(/^http\.port +9000 +environment TWOWATT_HTTP__PORT$/m);
    expect(stdout).toMatch(/^mqtt\.receive_maximum +16 +default$/m);
  });

  it('prints JSON, with what was ignored of values set over MQTT', async () => {
    writeFileSync(join(folder, 'remote-config.json'), '{"log.level": "loud", "model.slots": 2}');
    const { code, stdout } = await run(['--json', '--set', `node.state_folder=${folder}`]);
    expect(code).toBe(0);
    const printed = JSON.parse(stdout) as {
      settings: Record<string, { value: unknown; origin: string }>;
      ignored: string[];
    };
    expect(printed.settings['model.slots']).toMatchObject({ value: 2, origin: 'remote' });
    expect(printed.ignored).toHaveLength(1);
  });

  it('ends with 2 and names each bad key', async () => {
    const { code, stdout, stderr } = await run(['--set', 'http.port=x', '--set', 'mqtt.ulr=y']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('http.port: expected a whole number from 0 to 65535, found "x"');
    expect(stderr).toContain('mqtt.ulr: no such setting; did you mean mqtt.url?');
    const missing = await run(['--config', join(folder, 'none.yaml')]);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('none.yaml');
  });
});
