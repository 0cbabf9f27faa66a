import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePort } from '../../fakes/brokers.ts';
import { layOutBoard } from '../../unit/doctor/looks.ts';
import { runCli } from '../cli/cli-process.ts';

const JOURNAL_CHILD = resolve(import.meta.dirname, '../queue/open-journal-child.ts');

/** Every kind of text that must stay on the board; quotes and umlauts, because escapes hide things. */
const PLANTED = {
  password: 'pa"ss\\wörd-7Kq',
  token: 'tok-9f3b1c77e0',
  apiKey: 'sk-live-4b0c9d2e',
  privateKey: 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw',
  prompt: 'where does Grandmother keep the gold',
  loggedPrompt: 'is the alarm code still 4711',
  systemPrompt: 'You serve Miller household only',
} as const;

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'twowatt-bundle-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function secretFile(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

/** A journal as a power cut leaves it, with a prompt in its log. */
async function crashedJournal(path: string): Promise<void> {
  mkdirSync(join(folder, 'state'), { recursive: true });
  const child = spawn(process.execPath, [JOURNAL_CHILD, path, PLANTED.prompt], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** A log as pm2 keeps it: our lines, a logged prompt, a stranger's line, and a secret in a message. */
function plantLog(): void {
  const logs = join(folder, '.pm2', 'logs');
  mkdirSync(logs, { recursive: true });
  const lines = [
    { level: 'info', time: '2026-11-26T03:12:00Z', room: 'queue', msg: 'journal open', depth: 1 },
    { level: 'info', msg: 'prompt begins', prompt: PLANTED.loggedPrompt },
    { level: 'warn', msg: `the broker refused ${PLANTED.password}`, code: 'unauthorized' },
  ].map((line) => JSON.stringify(line));
  const text = [...lines, `Segmentation fault near ${PLANTED.loggedPrompt}`, ''].join('\n');
  writeFileSync(join(logs, 'twowatt-out.log'), text);
}

it('holds what helps, and none of the bytes that must stay on the board', async () => {
  const { settings } = layOutBoard('raspberry-pi-5', folder);
  const journal = join(folder, 'state', 'queue.sqlite');
  await crashedJournal(journal);
  expect(readFileSync(`${journal}-wal`).includes(PLANTED.prompt)).toBe(true);
  plantLog();
  const config = join(folder, 'twowatt.yaml');
  writeFileSync(
    config,
    JSON.stringify({
      mqtt: {
        url: `mqtts://127.0.0.1:${await freePort()}`,
        username: 'board',
        password_file: secretFile('password', `${PLANTED.password}\n`),
        tls: {
          cert_file: secretFile('cert.pem', 'no certificate'),
          key_file: secretFile(
            'key.pem',
            `-----BEGIN PRIVATE KEY-----\n${PLANTED.privateKey}\n-----END PRIVATE KEY-----\n`,
          ),
        },
      },
      http: { token_file: secretFile('token', PLANTED.token) },
      cloud: {
        endpoints: [
          {
            name: 'one',
            base_url: 'https://127.0.0.1/v1',
            model: 'm',
            api_key_file: secretFile('key', PLANTED.apiKey),
          },
        ],
      },
      model: { system_prompt: PLANTED.systemPrompt },
    }),
  );
  const bundle = join(folder, 'bundle.tar.gz');
  const flags = settings.flatMap((one) => ['--set', one]);
  const args = ['doctor', '--config', config, ...flags, '--bundle', bundle];
  const { stdout, stderr } = await runCli(folder, args);
  expect(stderr).toMatch(/support bundle: .*bundle\.tar\.gz/);
  expect(statSync(bundle).mode & 0o777).toBe(0o600);

  const everything = gunzipSync(readFileSync(bundle));
  for (const [name, text] of Object.entries(PLANTED)) {
    const forms = [
      text,
      JSON.stringify(text).slice(1, -1),
      JSON.stringify(JSON.stringify(text).slice(1, -1)).slice(1, -1),
      encodeURIComponent(text),
      Buffer.from(text).toString('base64'),
    ];
    for (const form of forms) {
      expect(everything.includes(form), `${name} as ${form}`).toBe(false);
      expect(stdout.includes(form), `${name} on the screen`).toBe(false);
    }
  }

  // Any tar can open it.
  expect(spawnSync('tar', ['-xzf', bundle, '-C', folder]).status).toBe(0);
  const unpacked = join(folder, 'twowatt-board');
  expect(readdirSync(unpacked).toSorted()).toEqual([
    'README.txt',
    'config.json',
    'doctor.json',
    'facts.json',
    'governor.json',
    'health.json',
    'log.jsonl',
    'profile.json',
    'versions.json',
  ]);
  const read = (name: string) => readFileSync(join(unpacked, name), 'utf8');
  const settingsInIt = JSON.parse(read('config.json')) as {
    settings: Record<string, { value: unknown }>;
  };
  expect(settingsInIt.settings['model.system_prompt']?.value).toBe(
    `(${PLANTED.systemPrompt.length} characters, left out)`,
  );
  expect(settingsInIt.settings['mqtt.username']?.value).toBe('board');
  expect(JSON.parse(read('profile.json'))).toMatchObject({ name: 'raspberry-pi-5' });
  expect(read('facts.json')).toContain('"logBytes"');
  // Three lines of ours, without the prompt; the stranger's is only counted.
  const log = read('log.jsonl').trim().split('\n');
  expect(JSON.parse(log[0] ?? '')).toMatchObject({ left_out: 1 });
  expect(log.slice(1).map((line) => JSON.parse(line) as unknown)).toEqual([
    { level: 'info', time: '2026-11-26T03:12:00Z', room: 'queue', msg: 'journal open', depth: 1 },
    { level: 'info', msg: 'prompt begins' },
    { level: 'warn', msg: 'the broker refused ********', code: 'unauthorized' },
  ]);
});

it('says when it cannot be written', async () => {
  const { settings } = layOutBoard('raspberry-pi-4b', folder);
  const flags = settings.flatMap((one) => ['--set', one]);
  const away = `mqtt.url=mqtt://127.0.0.1:${await freePort()}`;
  const path = join(folder, 'no-such-folder', 'bundle.tar.gz');
  const args = ['doctor', ...flags, '--set', away, '--bundle', path];
  const { code, stdout, stderr } = await runCli(folder, args);
  expect(stdout).toContain('BOARD');
  expect(stderr).toMatch(/no-such-folder/);
  expect(code).toBe(1);
});
