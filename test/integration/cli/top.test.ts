import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { telemetryExample } from '../../fixtures/telemetry.ts';
import { startAedes, type TestBroker } from '../../fakes/brokers.ts';
import { type Board, startBoard } from '../http/fixture.ts';
import { createTestNode, type TestNode } from '../mqtt/support.ts';
import { type CliRun, runCli, startCli, temporaryHome, until } from './cli-process.ts';

const MAIN = resolve(import.meta.dirname, '../../../src/cli/main.ts');
const ESCAPE = '\u001B';
const PAINT = new RegExp(`${ESCAPE}\\[[0-9;]*m`);
const hasPty = spawnSync('script', ['--version']).error === undefined;

type Terminal = CliRun & { resize(columns: number, rows: number): void };

/** Runs it on a pseudo terminal of `columns` by `rows`; what it draws is `stdout()`. */
function startOnTerminal(
  home: string,
  args: string[],
  options: { columns?: number; rows?: number; env?: Record<string, string> } = {},
): Terminal {
  const { columns = 80, rows = 24, env = {} } = options;
  const command = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
  const inside = `stty cols ${columns} rows ${rows}; echo "tty=$(tty)"; exec ${command}`;
  const child = spawn('script', ['--quiet', '--return', '--command', inside, '/dev/null'], {
    stdio: 'pipe',
    env: { PATH: process.env['PATH'] ?? '', HOME: home, TERM: 'xterm-256color', ...env },
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => '',
    write: (text) => void child.stdin.write(text),
    endInput: () => void child.stdin.end(),
    signal: (signal) => void child.kill(signal),
    exited: new Promise((done) => {
      child.once('close', (code, signal) => done(code ?? signal ?? 'unknown'));
    }),
    resize(newColumns, newRows) {
      const tty = /tty=(\S+)/.exec(stdout)?.[1] ?? '';
      spawnSync('stty', ['-F', tty, 'cols', String(newColumns), 'rows', String(newRows)]);
    },
  };
}

/** The last picture: what follows the last jump to the top left corner, without escape codes. */
function picture(text: string): string[] {
  const last = text.split('\u001B[H').at(-1) ?? '';
  return last.replaceAll(new RegExp(`${ESCAPE}\\[[0-9;?]*[A-Za-z]`, 'g'), '').split('\r\n');
}

describe('twowatt top over HTTP', () => {
  let home: ReturnType<typeof temporaryHome>;
  let board: Board;
  beforeAll(async () => {
    home = temporaryHome();
    board = await startBoard();
  });
  afterAll(async () => {
    await board.stop();
    home.remove();
  });

  it('prints the board once, as text without escape codes or as JSON', async () => {
    const text = await runCli(home.path, ['top', '--once', '--url', board.url]);
    expect(text).toMatchObject({ code: 0, stderr: '' });
    expect(text.stdout).toContain('1.25 W of 2.00 W above idle');
    expect(text.stdout).toContain('disk_full');
    expect(text.stdout).not.toContain('\u001B');
    const json = await runCli(home.path, ['top', '--once', '--json', '--url', board.url]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      state: 'online',
      telemetry: { node: 'pi' },
      health: [{ code: 'disk_full' }],
    });
  });

  it('prints it once as well where there is no terminal to draw on', async () => {
    const { code, stdout } = await runCli(home.path, ['top', '--url', board.url]);
    expect(code).toBe(0);
    expect(stdout).toContain('51.5 °C');
  });

  it('streams a line of JSON for each piece of news, answers included but not their text', async () => {
    const run = startCli(home.path, ['top', '--json', '--url', board.url]);
    await until(() => run.stdout().includes('"telemetry"'), 'the first telemetry');
    await board.chat();
    await until(() => run.stdout().includes('"decision"'), 'the answer');
    run.signal('SIGINT');
    expect(await run.exited).toBe(130);
    const lines = run.stdout().trim().split('\n');
    const news = lines.map((line) => JSON.parse(line) as { type: string; data: object });
    expect(news.find(({ type }) => type === 'decision')?.data).toMatchObject({
      target: 'edge',
      joules: 1.5,
      error: null,
    });
    expect(run.stdout()).not.toContain('secret words');
  });

  it('ends quietly when nobody reads its lines any more', async () => {
    const child = spawn(process.execPath, [MAIN, 'top', '--json', '--url', board.url], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', HOME: home.path },
    });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    child.stdout.destroy();
    board.gateway.announce('health', []);
    expect(await exited).toEqual([0, null]);
    expect(errors).toBe('');
  });

  it('says who is not there, and what to try', async () => {
    const run = await runCli(home.path, ['top', '--url', 'http://127.0.0.1:9']);
    expect(run).toMatchObject({ code: 3, stdout: '' });
    expect(run.stderr).toMatch(/no board answers at http:\/\/127\.0\.0\.1:9/);
    const lonely = await runCli(home.path, ['top', '--node', 'pi']);
    expect(lonely.code).toBe(2);
    expect((await runCli(home.path, ['top', '--url', 'board'])).code).toBe(2);
  });

  it.runIf(hasPty)('draws on a terminal, follows its size, and gives it back at q', async () => {
    const run = startOnTerminal(home.path, ['top', '--url', board.url], { columns: 80, rows: 24 });
    await until(() => picture(run.stdout()).some((line) => line.startsWith('Power')), 'a picture');
    expect(run.stdout()).toContain('\u001B[?1049h');
    expect(run.stdout()).toMatch(PAINT);
    expect(Math.max(...picture(run.stdout()).map((line) => line.length))).toBeLessThanOrEqual(80);
    const before = run.stdout().length;
    run.resize(44, 10);
    await until(() => run.stdout().length > before, 'a new picture');
    await until(() => picture(run.stdout()).length === 10, 'a lower picture');
    expect(picture(run.stdout()).filter((line) => line.length > 44)).toEqual([]);
    run.write('q');
    expect(await run.exited).toBe(0);
    expect(run.stdout().trimEnd().endsWith(`${ESCAPE}[?25h${ESCAPE}[?1049l`)).toBe(true);
  });

  it.runIf(hasPty)('has no colours with NO_COLOR, and ends with 130 at Ctrl-C', async () => {
    const run = startOnTerminal(home.path, ['top', '--url', board.url], { env: { NO_COLOR: '1' } });
    await until(() => picture(run.stdout()).some((line) => line.startsWith('Power')), 'a picture');
    expect(run.stdout()).not.toMatch(PAINT);
    run.write('\u0003');
    expect(await run.exited).toBe(130);
    expect(run.stdout()).toContain('\u001B[?1049l');
  });

  it.runIf(hasPty)('keeps the last figures when the board goes, and says so', async () => {
    const other = await startBoard();
    const run = startOnTerminal(home.path, ['top', '--url', other.url]);
    await until(() => picture(run.stdout()).some((line) => line.startsWith('Power')), 'a picture');
    await other.stop();
    await until(() => picture(run.stdout()).join('').includes('trying again'), 'the loss');
    expect(picture(run.stdout()).join('\n')).toContain('1.25 W');
    run.write('q');
    expect(await run.exited).toBe(0);
  });
});

describe('twowatt top through a broker', () => {
  let home: ReturnType<typeof temporaryHome>;
  let broker: TestBroker;
  let node: TestNode;
  const asked: string[] = [];
  beforeAll(async () => {
    home = temporaryHome();
    broker = await startAedes();
    node = createTestNode(broker.url, {
      protocol: 4,
      onVerb: async (verb, args) => {
        asked.push(`${verb} ${JSON.stringify(args)}`);
        if (verb === 'ping') return { version: '1', telemetry: telemetryExample() };
        return {
          decisions: [
            { id: 'x', target: 'cloud', reasons: ['explicit'], escalated: false, total_ms: 900 },
          ],
        };
      },
    });
    node.gateway.publishHealth([]);
    await node.online();
  });
  afterAll(async () => {
    await node.gateway.close(2000);
    await broker.close();
    home.remove();
  });
  const args = (id = 'board') => ['top', '--broker', broker.url, '--node', id];

  it('asks the board for telemetry of now, which no broker retains', async () => {
    const run = await runCli(home.path, [...args(), '--once', '--json']);
    expect(run).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(run.stdout)).toMatchObject({ state: 'online', telemetry: { node: 'pi' } });
    expect(asked).toContain('ping {"telemetry":true}');
  });

  it('shows how the last prompts went, those from before it came included', async () => {
    const run = startCli(home.path, [...args(), '--json']);
    await until(() => run.stdout().includes('"decisions"'), 'the decisions');
    expect(run.stdout()).toContain('"totalMs":900');
    run.signal('SIGTERM');
    expect(await run.exited).toBe(130);
  });

  it('gives up on a board that nobody hears of', async () => {
    const run = await runCli(home.path, [...args('nobody'), '--once', '--timeout', '1']);
    expect(run.code).toBe(3);
    expect(run.stderr).toMatch(/nobody at mqtt:\S+ told nothing within 1 s/);
  });

  it('says that the broker is not there', async () => {
    const run = await runCli(home.path, ['top', '--broker', 'mqtt://127.0.0.1:9', '--node', 'a']);
    expect(run.code).toBe(3);
  });
});
