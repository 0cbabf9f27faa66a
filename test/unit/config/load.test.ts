import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ConfigError,
  defaultNodeId,
  defaultStateFolder,
  describeConfig,
  loadConfig,
  type LoadOptions,
  collectorHeaders,
  readSecretFile,
  settings,
} from '../../../src/config/index.ts';
import { TwowattError } from '../../../src/core/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'twowatt-config-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const load = (options: Partial<LoadOptions> = {}) =>
  loadConfig({ env: {}, homeFolder: folder, searchFiles: [], overlayPath: null, ...options });

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function problemsOf(options: Partial<LoadOptions>) {
  try {
    load(options);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('expected the configuration to be refused');
}

describe('a hostile file', () => {
  it.each([
    ['too large', `a: ${'x'.repeat(300_000)}`, /at most 262144/],
    ['nested without end', '['.repeat(3000), /not (usable|valid)/],
    [
      'of aliases that multiply',
      `a: &a [x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 9 }, (_, n) => `${String.fromCharCode(98 + n)}: &${String.fromCharCode(98 + n)} [${`*${String.fromCharCode(97 + n)},`.repeat(9)}]`).join('\n')}`,
      /not usable|no such setting/,
    ],
    ['with a name as long as itself', `${'k'.repeat(1000)}: 1`, /no such setting/],
  ])('%s is refused with its reason', { timeout: 10_000 }, (_name, text, reason) => {
    const error = problemsOf({ file: write('hostile.yaml', text) });
    expect(error.code).toBe('invalid_request');
    expect(error.message).toMatch(reason);
  });
});

describe('precedence', () => {
  it('is flags, environment, values set over MQTT, file, device profile, defaults', () => {
    const file = write(
      'c.yaml',
      'telemetry: {interval_s: 11, idle_interval_s: 110}\nlog: {level: warn}\n',
    );
    const overlayPath = write(
      'overlay.json',
      '{"telemetry.idle_interval_s": 120, "log.level": "error"}',
    );
    const loaded = load({
      file,
      overlayPath,
      profileDefaults: () => ({
        profile: 'some-board',
        values: { engine: { threads: 3 }, telemetry: { interval_s: 9 } },
      }),
      env: { TWOWATT_LOG__LEVEL: 'debug', TWOWATT_HTTP__PORT: '9000' },
      set: ['http.port=9001'],
    });
    expect(loaded.values.engine.threads).toBe(3);
    expect(loaded.origins['engine.threads']).toEqual({ source: 'profile', detail: 'some-board' });
    expect(loaded.values.telemetry.interval_s).toBe(11);
    expect(loaded.origins['telemetry.interval_s']).toEqual({ source: 'file', detail: file });
    expect(loaded.values.telemetry.idle_interval_s).toBe(120);
    expect(loaded.origins['telemetry.idle_interval_s']).toEqual({
      source: 'remote',
      detail: overlayPath,
    });
    expect(loaded.values.log.level).toBe('debug');
    expect(loaded.origins['log.level']).toEqual({
      source: 'environment',
      detail: 'TWOWATT_LOG__LEVEL',
    });
    expect(loaded.values.http.port).toBe(9001);
    expect(loaded.origins['http.port'].source).toBe('flag');
    expect(loaded.origins['mqtt.url']).toEqual({ source: 'default', detail: null });
    expect(loaded).toMatchObject({ file, profile: 'some-board', problems: [] });
  });

  it('takes the first file of the usual places, and none is fine', () => {
    const second = write('second.yaml', 'http: {port: 1}\n');
    const searchFiles = [join(folder, 'missing.yaml'), second];
    expect(load({ searchFiles }).values.http.port).toBe(1);
    expect(load().file).toBeNull();
  });

  it('hands the configured hardware to the search for a device profile', () => {
    const seen: string[] = [];
    load({
      set: ['hardware.sysfs_root=/board/sys'],
      profileDefaults: (hardware) => {
        seen.push(hardware.sysfs_root);
        return undefined;
      },
    });
    expect(seen).toEqual(['/board/sys']);
  });

  it('does not share lists between two configurations', () => {
    load().values.mqtt.pools.push('kitchen');
    expect(load().values.mqtt.pools).toEqual([]);
  });
});

describe('sources', () => {
  it('reads lists, objects, flags and nested keys from the environment', () => {
    const { values } = load({
      env: {
        TWOWATT_MQTT__POOLS: '["a","b"]',
        TWOWATT_MQTT__EMBEDDED: 'true',
        TWOWATT_MQTT__TLS__CA_FILE: '~/ca.pem',
        TWOWATT_CLOUD__BASELINE_PRICE: '{"price_in":1,"price_out":2}',
        TWOWATT_GOVERNOR__BUDGET_W: '1.5',
        TWOWATT_SOMETHING: 'of a script around us',
        UNRELATED__KEY: 'x',
      },
    });
    expect(values.mqtt.pools).toEqual(['a', 'b']);
    expect(values.mqtt.embedded).toBe(true);
    expect(values.mqtt.tls.ca_file).toBe(join(folder, 'ca.pem'));
    expect(values.cloud.baseline_price).toEqual({ price_in: 1, price_out: 2 });
    expect(values.governor.budget_w).toBe(1.5);
  });

  it('keeps what follows the first equals sign of a flag, blanks and all', () => {
    expect(load({ set: ['model.system_prompt=a = b '] }).values.model.system_prompt).toBe('a = b ');
  });

  it('reads JSON files and treats an empty YAML value as not set', () => {
    const json = write('c.json', '{"log":{"level":"error"}}');
    expect(load({ file: json }).values.log.level).toBe('error');
    const yaml = write('c.yaml', '# nothing yet\nmqtt:\n  password_file:\nlog:\n');
    expect(load({ file: yaml }).origins['mqtt.password_file'].source).toBe('default');
    expect(load({ file: write('empty.yaml', '') }).values.log.level).toBe('info');
  });

  it('fills in what depends on the machine', () => {
    const { values } = load({ set: [`node.state_folder=${folder}/state`] });
    expect(values.queue.path).toBe(join(folder, 'state', 'queue.sqlite'));
    expect(values.model.cache_path).toBe(join(folder, 'state', 'models'));
    expect(values.node.id).toMatch(/^[A-Za-z0-9._-]+-[0-9a-f]{4}$/);
  });

  it('finds the state folder as systemd, the package or a user wants it', () => {
    const none = join(folder, 'none');
    expect(defaultStateFolder({ STATE_DIRECTORY: '/s/a:/s/b' }, '/home/u', folder)).toBe('/s/a');
    expect(defaultStateFolder({}, '/home/u', folder)).toBe(folder);
    expect(defaultStateFolder({}, '/home/u', none)).toBe('/home/u/.local/state/twowatt');
  });

  it('makes a topic level of any host name', () => {
    expect(defaultNodeId('raspberrypi', 'AB12cd')).toBe('raspberrypi-ab12');
    expect(defaultNodeId('küche/+#', '0123')).toBe('k-che-0123');
    expect(defaultNodeId('$', '0123')).toBe('twowatt-0123');
  });
});

describe('refusals', () => {
  it('of log.levels name the rooms and levels that there are', () => {
    expect(load({ env: { TWOWATT_LOG__LEVELS: '{"engine":"debug"}' } }).values.log.levels).toEqual({
      engine: 'debug',
    });
    const of = (levels: string) => problemsOf({ set: [`log.levels=${levels}`] }).message;
    expect(of('{"kitchen":"debug"}')).toMatch(/kitchen.*not known.*daemon, service, queue/s);
    expect(of('{"engine":"loud"}')).toMatch(/engine.*"warn"/s);
  });

  it('name every bad key, its origin, what was expected and the nearest key', () => {
    const file = write('c.yaml', 'governor:\n  budget_w: two\n  bugdet_w: 2\nmqqt:\n  url: x\n');
    const error = problemsOf({
      file,
      env: { TWOWATT_HTTP__PORT: '70000', TWOWATT_MQTT_URL: 'mqtt://x' },
      set: ['privacy_default=local', 'log.level', 'mqtt.pools=kitchen'],
    });
    const byKey = new Map(error.problems.map((problem) => [problem.key, problem]));
    expect([...byKey.keys()].sort()).toEqual(
      [
        'governor.budget_w',
        'governor.bugdet_w',
        'http.port',
        'log.level',
        'mqqt',
        'mqtt.pools',
        'mqtt_url',
        'privacy_default',
      ].sort(),
    );
    expect(byKey.get('governor.budget_w')?.message).toBe(
      'expected a number from 0.05 to 500, found "two"',
    );
    expect(byKey.get('governor.budget_w')?.origin).toEqual({ source: 'file', detail: file });
    expect(byKey.get('governor.bugdet_w')?.suggestion).toBe('governor.budget_w');
    expect(byKey.get('privacy_default')?.suggestion).toBe('router.privacy_default');
    expect(byKey.get('mqtt_url')?.suggestion).toBe('TWOWATT_MQTT__URL');
    expect(byKey.get('mqtt.pools')?.message).toContain('["kitchen"]');
    for (const key of byKey.keys()) expect(error.message).toContain(key);
    expect(error.message).toContain('environment TWOWATT_HTTP__PORT');
  });

  it('say where a file is not YAML, and that a file is missing', () => {
    const broken = write('c.yaml', 'mqtt:\n  url: "unfinished\nlog: {}\n');
    expect(problemsOf({ file: broken }).message).toMatch(/line \d+, column \d+/);
    expect(problemsOf({ file: write('c.json', '{"a": [1,}') }).message).toMatch(/line 1, column/);
    expect(problemsOf({ file: join(folder, 'no.yaml') }).message).toContain('no such file');
    expect(problemsOf({ file: write('list.yaml', '- a\n') }).message).toContain(
      'expected sections',
    );
    expect(problemsOf({ file: folder }).message).toContain('cannot be read');
  });

  it('stop a YAML file that would unfold to gigabytes', () => {
    const levels = Array.from({ length: 12 }, (_, i) =>
      i === 0
        ? 'a0: &a0 [x,x,x,x,x,x,x,x,x]'
        : `a${i}: &a${i} [${Array(9)
            .fill(`*a${i - 1}`)
            .join(',')}]`,
    );
    expect(problemsOf({ file: write('bomb.yaml', levels.join('\n')) }).message).toContain('alias');
  });

  it.each([
    ['mqtt.url=http://broker', 'scheme'],
    ['mqtt.url=mqtt://user:geheim@broker', 'password'],
    ['node.id=pool', 'pool'],
    ['node.id=a/b', 'characters'],
    ['mqtt.base_topic=a/#', 'levels'],
    ['mqtt.base_topic=a/', 'levels'],
    ['model.slots=1.5', 'whole number'],
    ['model.slots=', 'whole number'],
    ['mqtt.embedded=yes', 'true or false'],
    ['router.privacy_default=open', 'local, redact, any'],
    ['governor.temperature_limit_c=NaN', 'number'],
    ['governor.windows=[{"seconds":0,"over_pct":1}]', 'windows'],
    [
      'cloud.endpoints=[{"name":"a","base_url":"https://x/v1","model":"m","api_key":"geheim"}]',
      'api_key',
    ],
    ['fleet.store=postgres://u:geheim@h/db', 'command line'],
    ['http.host=0.0.0.0', 'token_file'],
    ['mqtt.tls.cert_file=/c.pem', 'key_file'],
    ['queue.max_bytes=65536 ', ''],
  ])('%s', (flag, expected) => {
    if (expected === '') expect(load({ set: [flag] }).values.queue.max_bytes).toBe(65_536);
    else {
      const error = problemsOf({ set: [flag] });
      expect(error.message).toContain(expected);
      expect(error.problems).toHaveLength(1);
      expect(error.message).not.toContain('geheim');
    }
  });

  it('ignore, but report, what was set over MQTT and does not fit any more', () => {
    const overlayPath = write(
      'overlay.json',
      JSON.stringify({
        'log.level': 'loud',
        'gone.key': 1,
        'mqtt.url': 'mqtt://evil',
        'model.slots': 4,
      }),
    );
    const loaded = load({ overlayPath });
    expect(loaded.problems.map((problem) => problem.key)).toEqual([
      'log.level',
      'gone.key',
      'mqtt.url',
    ]);
    expect(loaded.values.model.slots).toBe(4);
    expect(loaded.values.mqtt.url).toBe('mqtt://127.0.0.1:1883');
    expect(load({ overlayPath: write('cut.json', '{"log') }).problems).toHaveLength(1);
  });

  it('start without the overlay when it no longer agrees with the file', () => {
    const overlayPath = write('overlay.json', '{"queue.max_payload_bytes": 1000000}');
    const loaded = load({ overlayPath, set: ['queue.max_bytes=100000'] });
    expect(loaded.values.queue.max_payload_bytes).toBe(65_536);
    expect(loaded.problems.map((problem) => problem.key)).toEqual(['queue.max_payload_bytes']);
  });
});

describe('what is shown', () => {
  it('lists every key once, with passwords masked', () => {
    const file = write('c.yaml', 'fleet: {store: "postgres://u:geheim@h/db?password=geheim"}\n');
    const rows = describeConfig(load({ file }));
    expect(rows.map((row) => row.key)).toEqual([...settings.keys()]);
    expect(JSON.stringify(rows)).not.toContain('geheim');
    expect(JSON.stringify(rows)).toContain('postgres://u:********@h/db');
  });
});

describe('readSecretFile', () => {
  const key = 'mqtt.password_file';
  const secret = (text: string, mode = 0o600) => {
    const path = write('secret', text);
    chmodSync(path, mode);
    return path;
  };
  const refusal = (path: string): string => {
    try {
      readSecretFile(path, { key, env: {} });
    } catch (error) {
      if (error instanceof TwowattError && error.param === key) return error.message;
      throw error;
    }
    throw new Error('expected a refusal');
  };

  it('trims the line break at the end, and nothing else', () => {
    expect(readSecretFile(secret(' pass word \r\n'), { key, env: {} })).toBe(' pass word ');
  });

  it('finds systemd credentials by name, and nothing else there', () => {
    const credentials = join(folder, 'credentials');
    mkdirSync(credentials);
    writeFileSync(join(credentials, 'mqtt'), 'from systemd\n', { mode: 0o400 });
    const env = { CREDENTIALS_DIRECTORY: credentials };
    expect(readSecretFile('mqtt', { key, env })).toBe('from systemd');
    expect(readSecretFile(secret('own'), { key, env })).toBe('own');
  });

  it('refuses what everybody can read, what is empty, too large or no file', () => {
    expect(refusal(secret('x', 0o604))).toContain('chmod 600');
    expect(refusal(secret('\n'))).toContain('is empty');
    expect(refusal(secret('x'.repeat(70_000)))).toContain('at most 65536');
    expect(refusal(folder)).toContain('not a file');
    expect(refusal(join(folder, 'none'))).toContain('cannot be read');
  });

  it('reads the headers of a collector, and shows no line that is none', () => {
    const read = (content: string) =>
      collectorHeaders({ ...load().values.tracing, headers_file: secret(content) }, {});
    expect(read('authorization: Bearer a:b c\n\nX-Key:  1 \n')).toEqual({
      authorization: 'Bearer a:b c',
      'X-Key': '1',
    });
    for (const wrong of ['a: 1\nhunter2', 'a b: c', ': c', 'a: \u0007']) {
      expect(() => read(wrong)).toThrow(/tracing\.headers_file: line \d is no header/);
      expect(() => read(wrong)).not.toThrow(/hunter2/);
    }
    expect(collectorHeaders(load().values.tracing, {})).toEqual({});
  });
});
