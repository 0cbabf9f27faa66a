import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createUnmasker,
  mask,
  Placeholders,
  unmask,
} from '../../../../src/router/privacy/index.ts';
import { plantedTexts } from '../../../corpus/privacy/texts.ts';

const user = (content: string) => [{ role: 'user' as const, content }];
const masked = (text: string, known = Placeholders.none) => {
  const { messages, replacements } = mask(user(text), known);
  return { text: messages[0]?.content ?? '', replacements };
};
const PHONE = '13800138000';

const PIECES = [
  ...'[ ] \\ _ - 1 12 PHONE ＰＨＯＮＥ phone_1 PHONE_2 TEXT_1 [PHONE_1] [TEXT_1] [SECRET_1'.split(
    ' ',
  ),
  ...'[ＰＨＯＮＥ＿１] 【EMAIL_1】 \\[ID\\_1\\] a@b.com hunter2! 电话 192.168.1.2'.split(' '),
  PHONE,
  'password: ',
  '，',
  '\u200b',
  '\n',
  ' ',
];

/** Strings full of what could be taken for a placeholder, or become one beside a real one. */
const tricky = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: 'binary', maxLength: 4 })), {
    maxLength: 24,
  })
  .map((parts) => parts.join(''));
const planted = fc
  .array(fc.integer({ min: 0, max: 1999 }), { minLength: 1, maxLength: 4 })
  .map((list) => list.map((at) => CORPUS[at]?.text ?? '').join(' '));
const CORPUS = plantedTexts(2000, 7);
const anyText = fc.oneof(tricky, planted, fc.string({ unit: 'binary', maxLength: 80 }));

/** Cuts a text where the numbers say. */
function cut(text: string, sizes: number[]): string[] {
  const pieces: string[] = [];
  let at = 0;
  for (const size of sizes) {
    pieces.push(text.slice(at, at + size));
    at += size;
  }
  return [...pieces, text.slice(at)];
}

function stream(pieces: readonly string[], placeholders: Placeholders): string {
  const unmasker = createUnmasker(placeholders);
  return pieces.map((piece) => unmasker.push(piece)).join('') + unmasker.flush();
}

describe('mask', () => {
  it('gives a value one placeholder, and each value another', () => {
    const { messages, findings } = mask([
      { role: 'user', content: `电话${PHONE}，邮箱a@b.com` },
      { role: 'assistant', content: `我会打${PHONE}` },
      { role: 'user', content: '或者13900139000' },
    ]);
    expect(messages.map(({ content }) => content)).toEqual([
      '电话[PHONE_1]，邮箱[EMAIL_1]',
      '我会打[PHONE_1]',
      '或者[PHONE_2]',
    ]);
    expect(findings).toEqual({ phone: 3, email: 1 });
  });

  it('keeps placeholders through a session', () => {
    const first = masked(`call ${PHONE}`);
    const second = masked(`13900139000, not ${PHONE}`, first.replacements);
    expect(second.text).toBe('[PHONE_2], not [PHONE_1]');
  });

  it('finds a value again where no detector would, now and later in the session', () => {
    const first = masked('password: hunter2! and hunter2! again');
    expect(first.text).toBe('password: [SECRET_1] and [SECRET_1] again');
    expect(masked('why is hunter2! wrong', first.replacements).text).toBe(
      'why is [SECRET_1] wrong',
    );
  });

  it('gives out no number that the user wrote', () => {
    const { text, replacements } = masked(`rename phone_1, call ${PHONE}`);
    expect(text).toBe('rename phone_1, call [PHONE_2]');
    expect(unmask('phone_1 [PHONE_2]', replacements)).toBe(`phone_1 ${PHONE}`);
  });

  it('masks what looks like a placeholder that is taken', () => {
    const { replacements } = masked(`call ${PHONE}`);
    const next = masked('what is [PHONE_1]?', replacements);
    expect(next.text).toBe('what is [TEXT_1]?');
    expect(unmask(next.text, next.replacements)).toBe('what is [PHONE_1]?');
  });

  it('is undone by unmask, for any text, also with a session before it', () => {
    fc.assert(
      fc.property(anyText, anyText, (earlier, text) => {
        const known = masked(earlier).replacements;
        const now = masked(text, known);
        expect(unmask(now.text, now.replacements)).toBe(text);
      }),
      { numRuns: 3000 },
    );
  });

  it('leaves no detected value in the masked text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const now = masked(text);
        const rest = now.text.split(/\[[A-Z]+_\d+\]/);
        for (const { kind, value } of now.replacements.entries()) {
          if (kind === 'literal' || value.length < 6) continue;
          expect(rest.filter((gap) => gap.includes(value))).toEqual([]);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('shows values to no logger', () => {
    const { replacements } = masked(`call ${PHONE}`);
    for (const printed of [
      JSON.stringify({ replacements }),
      inspect(replacements, { depth: 9, showHidden: true }),
    ]) {
      expect(printed).not.toContain(PHONE);
    }
  });
});

describe('unmask', () => {
  const { replacements } = masked(`call ${PHONE}`);

  it.each([
    '[PHONE_1]',
    '[phone_1]',
    '[Phone 1]',
    '[ PHONE_1 ]',
    '[PHONE-1]',
    '[PHONE1]',
    '【PHONE_1】',
    '［ＰＨＯＮＥ＿１］',
    '⟦PHONE_1⟧',
    String.raw`\[PHONE\_1\]`,
    String.raw`PHONE\_1`,
    'PHONE_1',
    'phone_1',
  ])('restores %s', (written) => {
    expect(unmask(`请打${written}。`, replacements)).toBe(`请打${PHONE}。`);
  });

  it.each(['[PHONE_2]', 'PHONE_12', 'MYPHONE_1', 'PHONE_1a', '[PHONE 1', 'phone 1', '[PHONES_1]'])(
    'leaves %s alone',
    (written) => {
      expect(unmask(written, replacements)).toBe(written);
    },
  );

  it('gives the same text in pieces as in one, however it is cut', () => {
    const answer = fc
      .array(
        fc.oneof(
          fc.constantFrom(
            '[PHONE_1]',
            '[phone 1 ]',
            'PHONE_1',
            'PHONE_',
            '[EMAIL_1]',
            '[',
            '\\',
            '2',
          ),
          tricky,
        ),
        { maxLength: 8 },
      )
      .map((parts) => parts.join(''));
    const sizes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 60 });
    const table = masked(`${PHONE} a@b.com 192.168.1.2`).replacements;
    fc.assert(
      fc.property(answer, sizes, (text, cuts) => {
        expect(stream(cut(text, cuts), table)).toBe(unmask(text, table));
      }),
      { numRuns: 3000 },
    );
  });

  it('holds back only what can still become a placeholder that it knows', () => {
    const unmasker = createUnmasker(replacements);
    expect(unmasker.push('Call ')).toBe('Call ');
    expect(unmasker.push('[PHO')).toBe('');
    expect(unmasker.push('TO]')).toBe('[PHOTO]');
    expect(unmasker.push(' [EM')).toBe(' [EM');
    expect(unmasker.push('AIL_1] [PHONE_')).toBe('AIL_1] ');
    expect(unmasker.push('2')).toBe('[PHONE_2');
    expect(unmasker.push('] [PHONE_1')).toBe('] ');
    expect(unmasker.push(']!')).toBe(`${PHONE}!`);
    expect(unmasker.push(' PHONE_1')).toBe(' ');
    expect(unmasker.flush()).toBe(PHONE);
  });

  it('holds back nothing when nothing was masked', () => {
    expect(createUnmasker(Placeholders.none).push('[PHONE_')).toBe('[PHONE_');
  });
});
