import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collect } from '../../contract/engine.suite.ts';
import { convertNano, doneOf, openNano, wild } from './nano.ts';

const WATCHED = ['HOME', 'TMPDIR', 'XDG_CACHE_HOME', 'ORT_DISABLE_TELEMETRY'] as const;
const undo: (() => unknown)[] = [];
let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'twowatt-home-'));
  undo.push(() => rmSync(home, { recursive: true, force: true }));
  for (const name of WATCHED) {
    const before = process.env[name];
    undo.push(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** From here on the environment says nothing of telemetry: the engine's own code has to. */
function emptyEnvironment(): void {
  process.env['HOME'] = home;
  process.env['TMPDIR'] = home;
  process.env['XDG_CACHE_HOME'] = home;
  delete process.env['ORT_DISABLE_TELEMETRY'];
}

/** Inodes of the sockets that a process holds. */
function socketsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((fd) => {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(join(folder, fd)))?.[1];
    return inode === undefined ? [] : [inode];
  });
}

const strace = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'strace'))
  .find((path) => existsSync(path));

describe('the engine process', () => {
  it('writes no file of its own and holds no network socket', async () => {
    // Converted and opened with the usual folders; only the engine gets the empty ones.
    const { folder, remove } = await convertNano();
    undo.push(remove);
    emptyEnvironment();
    const nano = await openNano({ modelFolder: folder });
    undo.push(() => nano.dispose());
    doneOf(await collect(nano.engine.generate(wild(20), new AbortController().signal)));
    const pid = nano.engine.status().pid as number;

    const own = readdirSync(home).filter((name) => !nano.ownFolder.startsWith(join(home, name)));
    expect(own).toEqual([]);
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    expect(environment).toContain('ORT_DISABLE_TELEMETRY=1');
    const network = ['tcp', 'tcp6', 'udp', 'udp6', 'raw', 'raw6']
      .map((kind) => `/proc/${pid}/net/${kind}`)
      .filter((path) => existsSync(path))
      .map((path) => readFileSync(path, 'utf8'))
      .join('\n');
    const sockets = socketsOf(pid);
    // Channel, stdout and stderr; were there none, this test would look at the wrong thing.
    expect(sockets.length).toBeGreaterThan(0);
    expect(sockets.filter((inode) => new RegExp(`\\b${inode}\\b`).test(network))).toEqual([]);
  });

  it('holds neither an image library nor a second runtime in memory', async () => {
    const nano = await openNano();
    undo.push(() => nano.dispose());
    const maps = readFileSync(`/proc/${nano.engine.status().pid}/maps`, 'utf8');
    const objects = new Set(
      [...maps.matchAll(/\S*\/(\S+\.(?:so|node|wasm)[.\d]*)$/gm)].map((m) => m[1]),
    );
    const runtimes = [...objects].filter((name) => name?.includes('onnxruntime'));
    expect(runtimes.toSorted((a = '', b = '') => a.localeCompare(b))).toEqual([
      'libonnxruntime.so.1',
      'onnxruntime_binding.node',
    ]);
    expect([...objects].filter((name) => /vips|sharp|wasm/.test(name ?? ''))).toEqual([]);
  });

  it.skipIf(strace === undefined)(
    'connects nowhere, and opens nothing of telemetry or of the modules that are left out',
    async () => {
      const { folder, remove } = await convertNano();
      undo.push(remove);
      const log = join(home, 'strace.log');
      const script = fileURLToPath(new URL('one-answer.ts', import.meta.url));
      const { ORT_DISABLE_TELEMETRY: _unset, ...env } = process.env;
      const { stdout } = await promisify(execFile)(
        strace as string,
        [
          '-f',
          '-qq',
          '-e',
          'trace=connect,openat,execve',
          '-o',
          log,
          process.execPath,
          script,
          folder,
        ],
        { env: { ...env, HOME: home, XDG_CACHE_HOME: home } },
      );
      expect(stdout).toBe('done\n');
      const calls = readFileSync(log, 'utf8').split('\n');
      // It did see the engine: both the fork and the model's weights.
      expect(calls.some((call) => call.includes('model.onnx'))).toBe(true);
      expect(calls.some((call) => call.includes('libonnxruntime'))).toBe(true);
      expect(calls.filter((call) => call.includes('connect('))).toEqual([]);
      const unwanted =
        /machine-id|mat-debug|Microsoft|node_modules\/(sharp|@img|onnxruntime-web)\//;
      expect(calls.filter((call) => unwanted.test(call))).toEqual([]);
    },
    60_000,
  );
});
