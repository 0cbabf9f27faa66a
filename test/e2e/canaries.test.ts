import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MosquittoBroker, mosquittoAvailable, startMosquitto } from '../fakes/brokers.ts';
import { createAuthority } from '../fakes/certificates.ts';
import { type FakeCloudEndpoint, startCloudEndpoint } from '../fakes/cloud-endpoint.ts';
import {
  BASE,
  type DaemonProcess,
  type Device,
  connectDevice,
  NODE_ID,
  startDaemonProcess,
  temporaryFolder,
  until,
  waitOnline,
} from './harness.ts';

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');
const ROOT = `${BASE}/${NODE_ID}`;

/** Nobody else says these. With quotes and blanks, so that they are written in several ways. */
const SECRETS = {
  mqtt: 'canary-mqtt "Zf8/+ q2"',
  http: 'canary-http-Kd93ks02',
  cloud: 'canary-cloud-Pw7xYv31',
};
/** Parts of prompts: of one that is answered, and of each kind that is refused. */
const WORD = 'canaryprompt';

const formsOf = (secret: string): string[] => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  Buffer.from(secret).toString('base64url'),
];

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** A daemon that logs all it can, with a secret behind every setting that takes one. */
describe.skipIf(!mosquittoAvailable())('canaries in secrets and prompts', () => {
  const folder = temporaryFolder();
  const state = join(folder.path, 'state');
  let broker: MosquittoBroker;
  let cloud: FakeCloudEndpoint;
  let device: Device;
  let daemon: DaemonProcess;
  let settings: string[] = [];
  /** Everything that came out, by where it came from; answers to whoever asked are not among it. */
  const outside = new Map<string, string>();

  beforeAll(async () => {
    broker = await startMosquitto();
    cloud = await startCloudEndpoint();
    device = await connectDevice(broker.url);
    const secrets = join(folder.path, 'secrets');
    mkdirSync(secrets, { mode: 0o700 });
    const secret = (name: string, text: string) => {
      const path = join(secrets, name);
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    };
    const { key, cert } = createAuthority(secrets, 'ca').issue('board');
    const endpoint = {
      name: 'far',
      base_url: cloud.baseUrl,
      model: 'far-model',
      api_key_file: secret('cloud', SECRETS.cloud),
    };
    settings = [
      'log.level=debug',
      // Where it lies on a board, so that its files are looked at as well.
      `model.cache_path=${join(state, 'models')}`,
      'mqtt.username=board',
      `mqtt.password_file=${secret('mqtt', SECRETS.mqtt)}`,
      `mqtt.tls.cert_file=${cert}`,
      `mqtt.tls.key_file=${key}`,
      `http.token_file=${secret('http', SECRETS.http)}`,
      `cloud.endpoints=${JSON.stringify([endpoint])}`,
      'router.privacy_default=redact',
    ];
    daemon = startDaemonProcess({ brokerUrl: broker.url, stateFolder: state, set: settings });
    await waitOnline(device);
  }, 90_000);

  afterAll(async () => {
    await daemon.stop();
    await device.close();
    await cloud.close();
    await broker.close();
    folder.remove();
  });

  const cli = (...args: string[]) => {
    const own = [`mqtt.url=${broker.url}`, `node.id=${NODE_ID}`, `node.state_folder=${state}`];
    const set = [...own, 'http.port=0', ...settings].flatMap((setting) => ['--set', setting]);
    const ran = spawnSync(process.execPath, [MAIN, ...args, ...set], {
      encoding: 'utf8',
      env: { ...process.env, HOME: folder.path, NO_COLOR: '1' },
    });
    return `${ran.stdout}${ran.stderr}`;
  };

  it(
    'a day of good and bad prompts, requests, errors and questions',
    { timeout: 180_000 },
    async () => {
      const ask = (id: string, more: object) =>
        device.prompt({ id, messages: [{ role: 'user', content: `${WORD} ${id}` }], ...more });
      const endOf = async (id: string) => (await device.terminal(id, 60_000)).type;

      // Answered on the board and in the cloud; failed there with the key and the prompt in the error.
      await ask('edge', { route: 'edge', max_tokens: 4, stream: true, session: 's' });
      expect(await endOf('edge')).toBe('done');
      await ask('far', { route: 'cloud', max_tokens: 4 });
      expect(await endOf('far')).toBe('done');
      expect(cloud.calls[0]?.headers.authorization).toBe(`Bearer ${SECRETS.cloud}`);
      cloud.behave(() => ({
        kind: 'status',
        status: 400,
        body: JSON.stringify({ error: { message: `no ${WORD} failing for ${SECRETS.cloud}` } }),
      }));
      await ask('failing', { route: 'cloud', max_tokens: 4 });
      expect(await endOf('failing')).toBe('error');
      for (const bad of [
        { temperature: WORD },
        { stop: [WORD, ''] },
        { model: WORD },
        { privacy: WORD, route: 'cloud' },
        { reply_to: `${WORD}/#` },
        { response_format: { type: WORD } },
        { tools: [{ [WORD]: 1 }] },
        { max_tokens: 4, messages: [{ role: WORD, content: WORD }] },
      ]) {
        const id = `bad${Math.random().toString(16).slice(2)}`;
        await ask(id, bad);
        expect(await endOf(id), JSON.stringify(bad)).toBe('error');
      }
      await device.publish(`${ROOT}/prompt`, `{"messages": ${WORD}`);
      await device.publish(`${ROOT}/prompt`, `{"messages":[{"role":"user","content":"${WORD}`);
      await device.publish(`${ROOT}/prompt/text`, `${WORD} text`);
      await device.publish(`${ROOT}/request/config.set`, `{"set":{"log.level":"${WORD}"}`);
      await device.publish(`${ROOT}/cancel`, `{"id":"${WORD}`);
      await until(
        () => device.messages(`${ROOT}/reply/text`).length === 1,
        'the text answer',
        60_000,
      );

      const url = await daemon.httpUrl();
      const authorization = `Bearer ${SECRETS.http}`;
      const http = async (path: string, init: RequestInit = {}) => {
        const response = await fetch(url + path, init);
        return `${response.status} ${JSON.stringify([...response.headers])} ${await response.text()}`;
      };
      const events = new AbortController();
      const stream = await fetch(`${url}/api/events`, {
        headers: { authorization },
        signal: events.signal,
      });
      const told: Promise<string> = (async () => {
        let text = '';
        try {
          for await (const chunk of stream.body ?? []) text += Buffer.from(chunk).toString();
        } catch {
          // Ended by us.
        }
        return text;
      })();
      const chat = (body: string, token = authorization) =>
        http('/v1/chat/completions', {
          method: 'POST',
          headers: { authorization: token, 'content-type': 'application/json' },
          body,
        });
      const messages = [{ role: 'user', content: `${WORD} http` }];
      expect(await chat(JSON.stringify({ messages, max_tokens: 4, route: 'edge' }))).toMatch(
        /^200/,
      );
      outside.set('wrong token', await chat(JSON.stringify({ messages }), 'Bearer nonsense'));
      outside.set('half a token', await chat('{}', `Bearer ${SECRETS.http.slice(0, -1)}`));
      outside.set('bad body', await chat(`{"messages": ${WORD}`));
      for (const path of [
        '/metrics',
        '/api/telemetry',
        '/v1/models',
        '/readyz',
        '/healthz',
        '/nothing',
      ]) {
        outside.set(path, await http(path, { headers: { authorization } }));
      }
      events.abort();
      outside.set('/api/events', await told);
      expect(outside.get('/api/events')).toContain('event: answer');

      for (const verb of [
        'ping',
        'config.get',
        'config.set',
        'model.list',
        'decisions',
        'no.such',
      ]) {
        await device.publish(`${ROOT}/request/${verb}`, '{"transaction":1,"limit":100}');
        await until(() => device.messages(`${ROOT}/response/${verb}`).length > 0, verb);
        outside.set(verb, device.messages(`${ROOT}/response/${verb}`).join('\n'));
      }
      expect(outside.get('decisions')).toContain('"far"');
      for (const topic of ['state', 'info', 'health', 'telemetry']) {
        outside.set(topic, device.messages(`${ROOT}/${topic}`).join('\n'));
      }
      outside.set('config', cli('config'));
      outside.set('config --json', cli('config', '--json'));
      outside.set('doctor', cli('doctor', '--bundle', join(folder.path, 'bundle.tar.gz')));
      expect(outside.get('config')).toContain('mqtt.password_file');
      const unpacked = join(folder.path, 'unpacked');
      mkdirSync(unpacked);
      const tar = spawnSync('tar', ['-xzf', join(folder.path, 'bundle.tar.gz'), '-C', unpacked]);
      expect(tar.status).toBe(0);
      const packed = filesBelow(unpacked);
      expect(packed.length).toBeGreaterThan(5);
      for (const file of packed) outside.set(`bundle ${file}`, readFileSync(file, 'utf8'));
      outside.set('audit log', readFileSync(join(state, 'audit.jsonl'), 'utf8'));
      outside.set('log', daemon.output());
      expect(daemon.output()).toContain('prompt begins');
    },
  );

  it('no secret comes out anywhere, in whatever form', () => {
    const replies = [...outside, ['answers', device.terminals('failing').join('\n')]] as const;
    const files = filesBelow(state).map((file) => [file, readFileSync(file, 'latin1')] as const);
    for (const [where, text] of [...replies, ...files]) {
      for (const secret of Object.values(SECRETS)) {
        for (const form of formsOf(secret)) {
          expect(text.includes(form), `${form} in ${where}`).toBe(false);
        }
      }
      expect(text.includes('PRIVATE KEY'), `the key in ${where}`).toBe(false);
    }
  });

  it('no prompt is in log, telemetry, health, metrics, events, decisions, audit log or bundle', () => {
    for (const [where, text] of outside) {
      // Whoever sent it is told what was wrong with it.
      if (['bad body', 'config.set'].includes(where)) continue;
      expect(text.toLowerCase().includes(WORD), `a prompt in ${where}: ${context(text)}`).toBe(
        false,
      );
    }
  });

  it('the state folder is its owner only, with everything in it', () => {
    const wrong = [
      state,
      ...readdirSync(state, { recursive: true }).map((name) => join(state, String(name))),
    ]
      .map((path) => ({ path, facts: lstatSync(path) }))
      .filter(({ facts }) => (facts.mode & 0o077) !== 0)
      .map(({ path, facts }) => `${path} ${(facts.mode & 0o777).toString(8)}`);
    expect(wrong).toEqual([]);
  });
});

const context = (text: string): string => {
  const at = text.toLowerCase().indexOf(WORD);
  return text.slice(Math.max(0, at - 150), at + 50);
};
