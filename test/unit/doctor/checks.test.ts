import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKS } from '../../../src/doctor/checks/index.ts';
import type { Facts, Outcomes, ProbeName } from '../../../src/doctor/facts.ts';
import { type Report, report } from '../../../src/doctor/index.ts';
import { resolveModel } from '../../../src/model/index.ts';
import { layOutBoard, look } from './looks.ts';

/** What a well board says, found by the real probes; broker and service as if they were there. */
let good: Outcomes;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'twowatt-checks-'));
  const { settings } = layOutBoard('raspberry-pi-5', folder);
  await resolveModel({
    path: '',
    cacheFolder: join(folder, 'state', 'models'),
    contextTokens: 2048,
    procRoot: join(folder, 'proc'),
  });
  good = await look(['config', 'system', 'storage', 'board', 'model', 'governor', 'verify'], {
    set: settings,
    homeFolder: folder,
  });
  facts('system').clockSynchronised = true;
  good.service = {
    ok: true,
    value: {
      systemd: {
        unit: 'twowatt.service',
        load: 'loaded',
        active: 'active',
        sub: 'running',
        result: 'success',
        restarts: 0,
        pid: 7,
      },
      pm2: null,
      problem: null,
    },
  };
  good.broker = {
    ok: true,
    value: {
      embedded: false,
      look: {
        ok: true,
        where: 'broker:1883',
        protocol: 5,
        server: 'mosquitto version 2.0.11',
        retained: { state: '{"state":"online","since":null}', info: null, health: '[]' },
      },
    },
  };
  good.deep = {
    ok: true,
    value: { ok: true, by: 'x', tokens: 9, tokensPerS: 14.22, ttftMs: 90, totalMs: 700 },
  };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The facts of a probe, to be changed in place. */
function facts<Name extends ProbeName>(name: Name, outcomes = good): Facts[Name] {
  const outcome = outcomes[name];
  if (outcome?.ok !== true) throw new Error(`no facts of ${name}`);
  return outcome.value;
}

type Change = (outcomes: Outcomes) => void;

function judged(change: Change): Report {
  const outcomes = structuredClone(good);
  change(outcomes);
  return report(outcomes, 0);
}

/** A change of the facts of one probe. */
const given =
  <Name extends ProbeName>(name: Name, change: (value: Facts[Name]) => object | void): Change =>
  (outcomes) => {
    const value = facts(name, outcomes);
    const next = change(value);
    if (next !== undefined) Object.assign(value, next);
  };

const model = (change: (value: Facts['model'] & { state: 'converted' }) => void): Change =>
  given('model', (value) => {
    if (value.state === 'converted') change(value);
  });
const broker = (change: (value: Facts['broker']['look'] & { ok: true }) => void): Change =>
  given('broker', ({ look: found }) => {
    if (found.ok) change(found);
  });
const unusable = (fault: 'missing_file' | 'corrupt' | 'wrong_dtype'): Change =>
  given('model', () => ({ state: 'unusable', fault, message: 'model.onnx is at fault' }));
const refused = (unreachable: boolean): Change =>
  given('broker', () => ({
    look: { ok: false, where: 'broker:1883', unreachable, message: 'no answer' },
  }));
const systemd = (change: object): Change =>
  given('service', (value) => ({ systemd: { ...value.systemd, ...change } }));
const all =
  (...changes: Change[]): Change =>
  (outcomes) => {
    for (const change of changes) change(outcomes);
  };
const condition = (code: string, severity: string, text = 'so it is') =>
  JSON.stringify([{ code, severity, text }]);
const decided = (change: object): Change =>
  given('governor', ({ decision }) => ({ decision: { ...decision, ...change } }));

/** Bad cases of every check: what is changed, how bad it is, what must stand in it. */
const BAD: Record<string, [name: string, Change, status: string, text: RegExp][]> = {
  'board.model': [
    ['no name', given('board', (b) => void (b.board.model = null)), 'note', /does not name it/],
  ],
  'board.profile': [
    ['none', given('board', () => ({ profile: null })), 'warn', /none fits/],
    [
      'a model that does not fit',
      given('board', (b) => void (b.profile!.profile.model.fits = 'no')),
      'warn',
      /smaller model/,
    ],
    [
      'a generic one',
      given('board', (b) => void (b.profile!.profile.detect.generic = true)),
      'note',
      /typical board/,
    ],
  ],
  'board.cpu': [
    ['no cpuinfo', given('board', (b) => void (b.cpu.features = null)), 'note', /no cpuinfo/],
    [
      'not what the profile expects',
      given('board', (b) => void (b.cpu.target = 'nodotprod')),
      'note',
      /profile expects dotprod/,
    ],
  ],
  'board.power': [
    ['no sensor', given('board', () => ({ sensors: [] })), 'note', /no power sensor/],
    [
      'a sensor that is silent',
      given('board', (b) => {
        b.sample.boardW = { ok: false, reason: 'vcgencmd: no answer within 2000 ms' };
        b.sample.railsW = {};
      }),
      'warn',
      /no answer within 2000 ms/,
    ],
    [
      'rails only',
      given('board', (b) => void (b.sample.boardW = { ok: false, reason: 'single rails' })),
      'note',
      /VDD_CORE .*single rails/,
    ],
  ],
  'board.temperature': [
    [
      'none',
      given('board', (b) => void (b.sample.socC = { ok: false, reason: 'no zone' })),
      'warn',
      /no zone/,
    ],
    [
      'hot',
      given('board', (b) => void Object.assign(b.sample.socC, { value: 84 })),
      'warn',
      /slows this board down from 80 °C/,
    ],
  ],
  'board.throttling': [
    ['no source', given('board', () => ({ sensors: [] })), 'note', /nothing on this board tells/],
    ['now too low', given('board', (b) => void (b.sample.underVoltage = true)), 'fail', /voltage/],
    [
      'slowed down',
      given('board', (b) => void (b.sample.throttled = ['freq_capped'])),
      'warn',
      /freq_capped/,
    ],
    [
      'too low since boot',
      given('board', () => ({ sinceBoot: [{ name: 'under_voltage', events: null }] })),
      'warn',
      /since boot: under_voltage/,
    ],
    [
      'over-current events',
      given('board', () => ({ sinceBoot: [{ name: 'over_current_1', events: 3 }] })),
      'note',
      /over_current_1 3 times/,
    ],
  ],
  'board.clock': [
    ['no policy', given('board', () => ({ clocks: [] })), 'note', /no cpufreq/],
    [
      'denied',
      given('board', (b) => void (b.clocks[0]!.denied = 'no permission')),
      'warn',
      /no permission.*sudo chown/,
    ],
  ],
  'governor.limits': [
    [
      'a rail that is not there',
      all(
        given('config', (c) => void (c.governor.scope = 'rail')),
        given('governor', () => ({ rail: 'VDD_GONE' })),
      ),
      'fail',
      /no such rail .*governor: \{ scope: rail/,
    ],
    [
      'a whole board below its idle',
      given('config', (c) => Object.assign(c.governor, { scope: 'board', budget_w: 1 })),
      'fail',
      /takes 1\.55 W while idle/,
    ],
    [
      'a limit above the firmware’s',
      given('config', (c) => void (c.governor.temperature_limit_c = 90)),
      'warn',
      /temperature_limit_c: 75/,
    ],
  ],
  'governor.pace': [
    ['no model', given('governor', () => ({ decision: { reason: 'not ready' } })), 'note', /ready/],
    [
      'a budget too small',
      decided({ conditions: [{ code: 'budget_below_step', text: 'a step takes 3 J' }] }),
      'fail',
      /budget_below_step: a step takes 3 J.*Raise the budget/,
    ],
    ['too hot', decided({ conditions: [{ code: 'too_hot', text: '85 °C' }] }), 'warn', /too_hot/],
    [
      'no sensor',
      decided({
        conditions: [{ code: 'sensor_missing', text: 'power: none' }],
        allowedTokensPerS: 3,
      }),
      'note',
      /sensor_missing/,
    ],
  ],
  'governor.learnt': [
    ['damaged', given('governor', () => ({ saved: 'damaged' })), 'warn', /rm .*governor\.json/],
    ['nothing', given('governor', () => ({ saved: null })), 'note', /nothing yet/],
  ],
  'model.found': [
    ['missing', unusable('missing_file'), 'fail', /leave it out for the bundled one/],
    ['damaged', unusable('corrupt'), 'fail', /twowatt model verify/],
    ['of a foreign kind', unusable('wrong_dtype'), 'fail', /at fault/],
    [
      'not converted',
      given('model', () => ({ state: 'unconverted', source: '/m/ernie 4', target: 'dotprod' })),
      'note',
      /twowatt model convert '\/m\/ernie 4'/,
    ],
  ],
  'model.intact': [
    [
      'changed',
      given('verify', () => ({ intact: false, message: 'model.onnx.data was changed' })),
      'fail',
      /was changed.*rm -r/,
    ],
    [
      'changed, and the only copy',
      all(
        model((m) => void (m.cached = false)),
        given('verify', () => ({ intact: false, message: 'model.onnx.data was changed' })),
      ),
      'fail',
      /twowatt model verify/,
    ],
  ],
  'model.cores': [
    ['for others', model((m) => void (m.manifest.target = 'avx2')), 'warn', /wants dotprod/],
  ],
  'model.memory': [
    ['far too little', given('board', () => ({ availableBytes: 1e8 })), 'fail', /100 MB free/],
    [
      'enough only without long prompts',
      all(
        model((m) => void (m.weightBytes = 367e6)),
        given('board', () => ({ availableBytes: 700e6 })),
      ),
      'warn',
      /at its peak/,
    ],
    [
      'little beside a running daemon',
      all(
        given('storage', (s) => ({ journal: { ...s.journal, state: 'open', pid: 1 } })),
        given('board', () => ({ availableBytes: 1e7 })),
      ),
      'warn',
      /10 MB free beside the running daemon/,
    ],
    ['unknown', given('board', () => ({ availableBytes: null })), 'note', /not known/],
  ],
  'model.answer': [
    [
      'none',
      (o) => void (o.deep = { ok: true, value: { ok: false, message: 'no' } }),
      'fail',
      /no/,
    ],
  ],
  'storage.folder': [
    [
      'not writable',
      given('storage', (s) => void (s.stateFolder.denied = 'no permission to write into /x')),
      'fail',
      /sudo mkdir -p/,
    ],
    [
      'elsewhere',
      given('storage', (s) => void (s.stateFolder.exists = false)),
      'warn',
      /sudo twowatt doctor/,
    ],
    [
      'not there before the first start',
      all(
        given('storage', (s) => void (s.stateFolder.exists = false)),
        systemd({ active: 'inactive' }),
      ),
      'note',
      /first start makes it/,
    ],
  ],
  'storage.disk': [
    ['full', given('storage', () => ({ diskFreeBytes: 1e6 })), 'fail', /1 MB free/],
    ['nearly full', given('storage', () => ({ diskFreeBytes: 1e8 })), 'warn', /vacuum/],
    ['unknown', given('storage', () => ({ diskFreeBytes: null })), 'warn', /not known/],
  ],
  'storage.journal': [
    [
      'not writable',
      given('storage', (s) => void (s.journalFolder.denied = 'read-only file system')),
      'fail',
      /read-only.*nothing can be accepted/,
    ],
    [
      'damaged once',
      given('storage', (s) => void (s.journal.setAside = ['/s/queue.sqlite.corrupt-1'])),
      'warn',
      /corrupt-1.*twowatt data erase/,
    ],
    [
      'unreadable',
      given('storage', () => ({ journal: { setAside: [], state: 'unreadable', reason: 'no' } })),
      'warn',
      /sudo twowatt doctor/,
    ],
    [
      'after a power cut',
      given('storage', () => ({
        journal: {
          setAside: [],
          state: 'closed',
          bytes: 1,
          logBytes: 2e6,
          cleanly: false,
          counts: null,
        },
      })),
      'note',
      /2 MB of its log; not closed/,
    ],
  ],
  'broker.reachable': [
    ['away', refused(true), 'fail', /no answer.*mqtt\.url/],
    ['refusing', refused(false), 'fail', /mqtt\.username/],
    ['old', broker((b) => void (b.protocol = 4)), 'note', /MQTT 3\.1\.1/],
    [
      'embedded and away with its daemon',
      all(
        given('broker', () => ({ embedded: true })),
        refused(true),
        systemd({ active: 'inactive' }),
      ),
      'note',
      /brings it along/,
    ],
    [
      'another one on the embedded one’s port',
      all(
        given('broker', () => ({ embedded: true })),
        broker((b) => void (b.protocol = 4)),
        systemd({ active: 'inactive' }),
      ),
      'warn',
      /Another broker has the port/,
    ],
  ],
  'broker.node': [
    [
      'offline though the service runs',
      broker((b) => void (b.retained.state = '{"state":"offline","since":null}')),
      'warn',
      /a daemon runs here/,
    ],
    [
      'never seen',
      all(
        broker((b) => void (b.retained.state = 'not even JSON')),
        systemd({ active: 'inactive' }),
      ),
      'note',
      /never seen.*sudo systemctl start twowatt/,
    ],
    [
      'draining',
      broker((b) => void (b.retained.state = '{"state":"draining","since":"2026"}')),
      'note',
      /draining since 2026/,
    ],
  ],
  'broker.health': [
    [
      'an error',
      broker((b) => void (b.retained.health = condition('under_voltage', 'error'))),
      'fail',
      /under_voltage: so it is.*supply/,
    ],
    [
      'a warning',
      broker((b) => void (b.retained.health = condition('queue_full', 'warning'))),
      'warn',
      /max_depth/,
    ],
    [
      'an information',
      broker((b) => void (b.retained.health = condition('power_estimated', 'info'))),
      'note',
      /power_estimated/,
    ],
    [
      'what it said before it went',
      broker((b) => {
        b.retained.state = '{"state":"offline","since":null}';
        b.retained.health = condition('disk_full', 'error');
      }),
      'note',
      /before it went offline.*disk_full/,
    ],
  ],
  'system.config': [
    [
      'ignored values',
      given('config', () => ({
        ignored: ['queue.max_depth: too large'],
        overlayPath: '/s/r.json',
      })),
      'warn',
      /too large.*rm \/s\/r\.json/,
    ],
  ],
  'system.secrets': [
    [
      'readable by everybody',
      given('config', () => ({
        secretProblems: [{ key: 'mqtt.password_file', path: '/p', reason: 'read by every user' }],
      })),
      'fail',
      /every user.*chmod 600 \/p/,
    ],
  ],
  'system.node': [
    ['old', given('system', () => ({ node: '22.9.0' })), 'fail', /needs Node 22\.13 or newer/],
  ],
  'system.library': [
    ['musl', given('system', () => ({ glibc: null })), 'fail', /musl/],
    ['old', given('system', () => ({ glibc: '2.27' })), 'fail', /2\.28/],
  ],
  'system.clock': [
    ['1970', given('system', () => ({ datePlausible: false })), 'warn', /cannot be right/],
    ['unset', given('system', () => ({ clockSynchronised: false })), 'warn', /not synchronised/],
    ['unknown', given('system', () => ({ clockSynchronised: null })), 'note', /nobody here says/],
  ],
  'system.service': [
    [
      'failed',
      systemd({ active: 'failed', result: 'watchdog' }),
      'fail',
      /watchdog.*journalctl -u twowatt/,
    ],
    ['restarting', systemd({ restarts: 9 }), 'warn', /restarted 9 times/],
    ['stopped', systemd({ active: 'inactive' }), 'note', /systemctl start/],
    ['none', given('service', () => ({ systemd: null })), 'note', /none/],
    [
      'silent systemd',
      given('service', () => ({ systemd: null, problem: 'systemctl did not end within 5 s' })),
      'warn',
      /did not end/,
    ],
    [
      'a dead pm2 process',
      given('service', () => ({ systemd: null, pm2: { pid: 4, alive: false } })),
      'warn',
      /process 4 is gone/,
    ],
  ],
};

/** Checks that say nothing on a board as good as this one: there is nothing to check. */
const ABSENT_WHEN_GOOD = new Set(['system.secrets']);

describe('the checks', () => {
  it('are all tried, and have names of their own', () => {
    const ids = CHECKS.map(({ id }) => id);
    expect(Object.keys(BAD).toSorted()).toEqual(ids.toSorted());
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id, group } of CHECKS) expect(id.startsWith(`${group}.`)).toBe(true);
  });

  it('find nothing wrong with a board that is well', () => {
    const { findings, verdict } = judged(() => undefined);
    const learnt = findings.find(({ id }) => id === 'governor.learnt');
    expect(learnt?.status).toBe('note');
    const others = findings.filter(({ id }) => id !== 'governor.learnt');
    expect(others.filter(({ status }) => status !== 'ok')).toEqual([]);
    const ids = CHECKS.map(({ id }) => id).filter((id) => !ABSENT_WHEN_GOOD.has(id));
    expect(findings.map(({ id }) => id)).toEqual(ids);
    expect(verdict).toBe('ok');
  });

  it('say what the governor has learnt', () => {
    const saved = {
      steps: { paces: {}, powers: { a: { ratio: 1, variance: 1, seen: 12 } } },
      idle: {},
      trim: 0,
      day: { elapsedMs: 1, usedJ: 7200 },
    };
    const { findings } = judged(given('governor', () => ({ saved })));
    expect(findings.find(({ id }) => id === 'governor.learnt')).toMatchObject({
      status: 'ok',
      detail: '1 kinds of steps from 12 measurements; 2.00 Wh in the last day',
    });
  });

  it('say that secrets serve when files are named for them', () => {
    const { findings } = judged(
      given('config', (c) => void c.settings.push({ key: 'x_file', value: '/x', origin: 'file' })),
    );
    expect(findings.find(({ id }) => id === 'system.secrets')?.status).toBe('ok');
  });

  const cases = Object.entries(BAD).flatMap(([id, bad]) =>
    bad.map(([name, change, status, text]) => [id, name, change, status, text] as const),
  );
  it.each(cases)('%s: %s', (id, _name, change, status, text) => {
    const made = judged(change);
    const found = made.findings.find((finding) => finding.id === id);
    const { detail = '', advice = '', run = '' } = found ?? {};
    expect(found?.status).toBe(status);
    expect(`${detail} ${advice} ${run}`).toMatch(text);
    // Whatever is wrong comes with what to do about it.
    if (status === 'warn' || status === 'fail') {
      if (!/not known/.test(detail)) expect(advice).toMatch(/^[A-Z].*\.$/);
    }
    if (status === 'fail') expect(made.verdict).not.toBe('ok');
  });

  it('are replaced by one line where the looking came to nothing', () => {
    const { findings, verdict } = judged((outcomes) => {
      outcomes.board = { ok: false, reason: 'no answer within 8 s: it hangs' };
    });
    const board = findings.filter(({ group }) => group === 'board');
    expect(board).toMatchObject([
      { id: 'board.model', status: 'fail', detail: 'no answer within 8 s: it hangs' },
    ]);
    expect(board[0]?.run).toBeDefined();
    expect(verdict).toBe('fail');
  });
});

describe('the verdict', () => {
  it('is unreachable only when nothing but the broker fails', () => {
    expect(judged(refused(true)).verdict).toBe('unreachable');
    expect(judged(refused(false)).verdict).toBe('fail');
    expect(judged(all(refused(true), unusable('corrupt'))).verdict).toBe('fail');
    const lost = judged((o) => void (o.broker = { ok: false, reason: 'it hangs' }));
    expect(lost.verdict).toBe('unreachable');
  });

  it('counts', () => {
    const { counts, findings } = judged(refused(true));
    expect(counts.fail).toBe(1);
    expect(counts.ok + counts.note + counts.warn + counts.fail).toBe(findings.length);
  });
});
