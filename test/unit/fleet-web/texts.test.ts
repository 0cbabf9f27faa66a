import { describe, expect, it } from 'vitest';
import { HEALTH_CODES, ROUTE_REASONS } from '../../../src/protocol/index.ts';
import { en } from '../../../src/fleet/web/i18n/en.ts';
import { fill } from '../../../src/fleet/web/i18n/fill.ts';
import { zh } from '../../../src/fleet/web/i18n/zh.ts';

const placeholders = (text: string): string[] => [
  ...new Set(text.match(/\{\w+\}/g)?.sort((a, b) => a.localeCompare(b))),
];

describe('the texts of the pages', () => {
  it('exist in both languages under the same keys', () => {
    expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort());
  });

  it('ask for the same values in both languages', () => {
    for (const [key, text] of Object.entries(en)) {
      expect(placeholders(zh[key as keyof typeof en]), key).toEqual(placeholders(text));
    }
  });

  it('say of every health code what it is and what to do, and of every route reason why', () => {
    for (const texts of [en, zh] as Record<string, string>[]) {
      for (const code of HEALTH_CODES) {
        expect(texts[`health.${code}`], code).toBeTruthy();
        expect(texts[`todo.${code}`], code).toBeTruthy();
      }
      for (const reason of ROUTE_REASONS) expect(texts[`reason.${reason}`], reason).toBeTruthy();
    }
  });

  it('name no code that the protocol does not have', () => {
    const known = new Set<string>([...HEALTH_CODES, ...ROUTE_REASONS]);
    const unknown = Object.keys(en)
      .filter((key) => /^(todo|reason)\./.test(key))
      .filter((key) => !known.has(key.replace(/^\w+\./, '')));
    expect(unknown).toEqual([]);
  });
});

describe('filling a text', () => {
  it('chooses the form by the number, and writes numbers as the language does', () => {
    expect(fill('{n} board|{n} boards', { n: 1 }, 'en')).toBe('1 board');
    expect(fill('{n} board|{n} boards', { n: 1200 }, 'en')).toBe('1,200 boards');
    expect(fill('{n} 块板', { n: 2 }, 'zh-CN')).toBe('2 块板');
  });
  it('leaves what it has no value for', () => {
    expect(fill('{a} and {b}', { a: 'x' }, 'en')).toBe('x and {b}');
  });
});
