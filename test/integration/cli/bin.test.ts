import { fork } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const BIN = resolve(import.meta.dirname, '../../../bin');
/** Makes a Node say that it is an old one, before the binary looks. */
const oldNode = (version: string) =>
  `data:text/javascript,Object.defineProperty(process.versions,"node",{value:"${version}"})`;

/** Stands for the built program: tells which Node runs it, and behaves as its argument says. */
const PROGRAM = `
const [how] = process.argv.slice(2);
console.log(process.versions.node, ...process.argv.slice(2));
if (how === 'wait') {
  process.on('SIGTERM', () => process.exit(9));
  process.on('message', (message) => process.send({ heard: message }));
  process.send?.('ready');
} else process.exitCode = 7;
`;

describe('bin/twowatt.js', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'twowatt-bin-'));
    for (const inner of ['bin', 'dist/cli']) mkdirSync(join(folder, inner), { recursive: true });
    cpSync(BIN, join(folder, 'bin'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    writeFileSync(join(folder, 'dist/cli/main.js'), PROGRAM);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function pinNode(): void {
    mkdirSync(join(folder, 'node_modules/node/bin'), { recursive: true });
    symlinkSync(process.execPath, join(folder, 'node_modules/node/bin/node'));
  }

  function start(args: string[], execArgv: string[] = []) {
    const child = fork(join(folder, 'bin/twowatt.js'), args, { execArgv, stdio: 'pipe' });
    const messages: unknown[] = [];
    let output = '';
    child.stdout?.on('data', (text: Buffer) => (output += text.toString()));
    child.stderr?.on('data', (text: Buffer) => (output += text.toString()));
    const { promise: told, resolve: onTold } = Promise.withResolvers<void>();
    child.on('message', (message) => {
      messages.push(message);
      onTold();
    });
    const exited = new Promise<number | null>((done) => child.once('close', (code) => done(code)));
    return { child, messages, told, exited, output: () => output };
  }

  it('runs the built program with its arguments and exit code', async () => {
    const run = start(['ask', 'a b']);
    expect(await run.exited).toBe(7);
    expect(run.output()).toBe(`${process.versions.node} ask a b\n`);
  });

  it('says what to do when nothing is built', async () => {
    rmSync(join(folder, 'dist'), { recursive: true });
    const run = start(['ask']);
    expect(await run.exited).toBe(1);
    expect(run.output()).toMatch(/^twowatt: not built yet; run `npm ci`.*\n$/);
  });

  it.each(['18.20.1', '20.11.0', '22.12.9'])('refuses Node %s in one line', async (version) => {
    const run = start(['ask'], ['--import', oldNode(version)]);
    expect(await run.exited).toBe(2);
    expect(run.output()).toBe(
      `twowatt: needs Node 22.13 or newer, this is ${version}; install Node 24 (LTS)\n`,
    );
  });

  it('starts the pinned Node in a checkout, with arguments and exit code', async () => {
    pinNode();
    const run = start(['ask', 'a b'], ['--import', oldNode('20.11.0')]);
    expect(await run.exited).toBe(7);
    expect(run.output()).toBe(`${process.versions.node} ask a b\n`);
  });

  it('hands signals and the process manager’s channel through to it', async () => {
    pinNode();
    const run = start(['wait'], ['--import', oldNode('20.11.0')]);
    await run.told;
    expect(run.messages).toEqual(['ready']);
    run.child.send('shutdown');
    await new Promise<void>((next) => run.child.once('message', () => next()));
    expect(run.messages).toEqual(['ready', { heard: 'shutdown' }]);
    run.child.kill('SIGTERM');
    expect(await run.exited).toBe(9);
  });
});
