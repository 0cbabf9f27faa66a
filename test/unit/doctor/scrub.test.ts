import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { publicLogLine } from '../../../src/doctor/probes/log.ts';
import { createScrubber } from '../../../src/doctor/scrub.ts';

const secrets = fc.string({ minLength: 4, maxLength: 40, unit: 'grapheme' });

describe('masking', () => {
  it('leaves no form of a secret in any text of any value', () => {
    fc.assert(
      fc.property(secrets, fc.string(), fc.string(), (secret, before, after) => {
        const scrub = createScrubber([secret]);
        const forms = [
          secret,
          JSON.stringify(secret).slice(1, -1),
          Buffer.from(secret).toString('base64'),
        ];
        for (const form of forms) {
          const clean = scrub({ [`${before}${form}`]: [{ deep: `${before}${form}${after}` }] });
          // The mask itself may complete a secret made of asterisks only.
          if (!/^\*+$/.test(secret)) {
            const texts = [
              ...Object.keys(clean),
              ...Object.values(clean)
                .flat()
                .map((one) => one.deep),
            ];
            for (const text of texts) expect(text.split('********').join('\0')).not.toContain(form);
          }
        }
      }),
    );
  });

  it('changes nothing else', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!text.includes('no such secret'));
        expect(JSON.stringify(createScrubber(['no such secret', 'abc'])(value))).toBe(text);
      }),
    );
  });
});

describe('log lines that may leave the board', () => {
  it('keep what is ours and lose what people wrote', () => {
    const line = JSON.stringify({
      level: 'info',
      time: '2026-11-26T03:12:00Z',
      msg: 'prompt begins',
      id: 'Anna-1',
      prompt: 'where is Anna',
      messages: [{ content: 'where is Anna' }],
      code: { nested: 'where is Anna' },
      attempt: 1,
    });
    expect(JSON.parse(publicLogLine(line) ?? '')).toEqual({
      level: 'info',
      time: '2026-11-26T03:12:00Z',
      msg: 'prompt begins',
      attempt: 1,
    });
  });

  it.each(['', 'where is Anna', '"where is Anna"', '{"prompt":"where is Anna"}', '{"level":'])(
    'are not made of %j',
    (line) => expect(publicLogLine(line)).toBeUndefined(),
  );
});
