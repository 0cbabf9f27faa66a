import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  auditRecord,
  type Cleared,
  type Detector,
  freshSession,
  gate,
  isCleared,
  nextSession,
  strictest,
} from '../../../../src/router/privacy/index.ts';

const PHONE = '13800138000';
const ask = (content: string) => ({ messages: [{ role: 'user' as const, content }] });

function mustClear(...args: Parameters<typeof gate>): Cleared {
  const verdict = gate(...args);
  if (!verdict.mayLeave) throw new Error(`withheld: ${verdict.cause}`);
  return verdict;
}

/** Stands for a detector with a fault; the message quotes the text, as careless errors do. */
const broken: Detector = {
  kind: 'phone',
  find: (text) => {
    throw new Error(`cannot read ${text}`);
  },
};

describe('gate', () => {
  it('masks under redact and restores the answer, whole and in pieces', () => {
    const out = mustClear(ask(`call ${PHONE}`), 'redact');
    expect(out.messages).toEqual([{ role: 'user', content: 'call [PHONE_1]' }]);
    expect(out.findings).toEqual({ phone: 1 });
    expect(out.unmask('calling [phone_1]')).toBe(`calling ${PHONE}`);
    const unmasker = out.createUnmasker();
    expect(unmasker.push('calling [PHO') + unmasker.push('NE_1]') + unmasker.flush()).toBe(
      `calling ${PHONE}`,
    );
  });

  it('masks raw prompts, system prompts, history and stop strings alike', () => {
    expect(mustClear({ prompt: PHONE }, 'redact').messages).toEqual([
      { role: 'user', content: '[PHONE_1]' },
    ]);
    const out = mustClear(
      {
        messages: [
          { role: 'system', content: 'Owner: a@b.com' },
          { role: 'assistant', content: `I called ${PHONE}` },
        ],
        stop: [PHONE, 'END'],
      },
      'redact',
    );
    expect(out.messages.map(({ content }) => content)).toEqual([
      'Owner: [EMAIL_1]',
      'I called [PHONE_1]',
    ]);
    expect(out.stop).toEqual(['[PHONE_1]', 'END']);
  });

  it('lets text leave as it is under any, and restores nothing then', () => {
    const out = mustClear(ask(`call ${PHONE}`), 'any');
    expect(out.messages).toEqual(ask(`call ${PHONE}`).messages);
    expect(out.unmask('[PHONE_1]')).toBe('[PHONE_1]');
    expect(out.findings).toEqual({ phone: 1 });
  });

  it.each([
    ['local', 'label'],
    ['Any', 'unknown_label'],
    ['', 'unknown_label'],
    ['redacted', 'unknown_label'],
  ])('withholds under %j', (label, cause) => {
    expect(gate(ask('hello'), label)).toEqual({
      mayLeave: false,
      reason: 'privacy_local',
      cause,
      findings: {},
    });
  });

  it.each(['any', 'redact', 'local'])(
    'withholds under %s when a detector fails, and quotes nothing',
    (label) => {
      const verdict = gate(ask(`call ${PHONE}`), label, { detectors: [broken] });
      expect(verdict).toEqual({
        mayLeave: false,
        reason: 'privacy_local',
        cause: 'detector_failed',
        findings: {},
      });
    },
  );

  it('is the only maker of what isCleared accepts', () => {
    const out = mustClear(ask('hello'), 'redact');
    expect(isCleared(out)).toBe(true);
    expect(isCleared({ ...out })).toBe(false);
    expect(isCleared(gate(ask('hello'), 'local'))).toBe(false);
    expect(isCleared(null)).toBe(false);
    // @ts-expect-error the brand has no name outside the gate, so no object literal is Cleared
    const forged: Cleared = { mayLeave: true, messages: [], stop: [] };
    expect(isCleared(forged)).toBe(false);
  });

  it('cannot be changed after it was cleared', () => {
    const out = mustClear(ask('hello'), 'redact');
    expect(() => Object.assign(out, { messages: [] })).toThrow(TypeError);
    expect(() => Object.assign(out.messages[0] ?? {}, { content: PHONE })).toThrow(TypeError);
    expect(() => (out.messages as unknown[]).push({})).toThrow(TypeError);
  });

  it('prints no value', () => {
    const out = mustClear(ask(`call ${PHONE}`), 'redact');
    expect(JSON.stringify(out) + inspect(out, { depth: 9, showHidden: true })).not.toContain(PHONE);
    expect(JSON.stringify(mustClear(ask(`call ${PHONE}`), 'any'))).toBe(
      '{"mayLeave":true,"findings":{"phone":1}}',
    );
  });
});

describe('labels', () => {
  const inputs = { message: undefined, session: freshSession, topics: [], config: 'redact' };

  it('takes the strictest, and says who brought it', () => {
    expect(strictest(inputs)).toEqual({ label: 'redact', source: 'config' });
    expect(strictest({ ...inputs, message: 'any' })).toEqual({ label: 'redact', source: 'config' });
    expect(strictest({ ...inputs, message: 'local' })).toEqual({
      label: 'local',
      source: 'message',
    });
    expect(strictest({ ...inputs, topics: ['any', 'local'] })).toEqual({
      label: 'local',
      source: 'topic',
    });
    expect(strictest({ ...inputs, message: 'redact' })).toEqual({
      label: 'redact',
      source: 'message',
    });
  });

  it('takes a label that it does not know for local, wherever it stands', () => {
    expect(strictest({ ...inputs, message: 'ANY' }).label).toBe('local');
    expect(strictest({ ...inputs, topics: ['none'] }).label).toBe('local');
    expect(strictest({ ...inputs, config: '' }).label).toBe('local');
  });

  it('keeps a session on the board once a turn had to stay', () => {
    const stayed = nextSession(freshSession, gate(ask('我叫王伟'), 'local'));
    expect(strictest({ ...inputs, session: stayed, message: 'any' })).toEqual({
      label: 'local',
      source: 'session',
    });
    const verdict = gate(ask('hello'), 'any', { session: stayed });
    expect(verdict).toMatchObject({ mayLeave: false, reason: 'session_sticky', cause: 'session' });
    expect(nextSession(stayed, verdict).local).toBe(true);
  });

  it('carries the placeholders of a session on', () => {
    const session = nextSession(freshSession, gate(ask(PHONE), 'redact'));
    expect(session.local).toBe(false);
    const out = mustClear(ask(`13900139000 ${PHONE}`), 'redact', { session });
    expect(out.messages[0]?.content).toBe('[PHONE_2] [PHONE_1]');
  });
});

describe('auditRecord', () => {
  const record = (content: string, salt = new Uint8Array(16).fill(1)) =>
    auditRecord({
      id: '42',
      atMs: 0,
      messages: [{ role: 'user', content }],
      salt,
      label: 'redact',
      labelSource: 'config',
      decision: 'cloud',
      reasons: ['high_difficulty'],
      findings: { phone: 1 },
      endpoint: 'qianfan',
    });

  it('says which way and why, without the text', () => {
    const { prompt_hmac: hash, ...rest } = record(`call ${PHONE}`);
    expect(rest).toEqual({
      v: 1,
      id: '42',
      ts: '1970-01-01T00:00:00.000Z',
      label: 'redact',
      label_source: 'config',
      decision: 'cloud',
      reasons: ['high_difficulty'],
      findings: { phone: 1 },
      endpoint: 'qianfan',
    });
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });

  it('hashes equal prompts alike on one install and differently on two', () => {
    expect(record('a').prompt_hmac).toBe(record('a').prompt_hmac);
    expect(record('a').prompt_hmac).not.toBe(record('b').prompt_hmac);
    expect(record('a').prompt_hmac).not.toBe(record('a', new Uint8Array(16)).prompt_hmac);
  });

  it('refuses a salt that hides nothing', () => {
    expect(() => record('a', new Uint8Array(15))).toThrow(RangeError);
  });
});
