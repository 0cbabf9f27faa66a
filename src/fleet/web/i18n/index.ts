import { signal } from '@preact/signals';
import { createFormatter, type Formatter } from '../lib/format.ts';
import { readSetting, writeSetting } from '../state/settings.ts';
import { en, type Texts } from './en.ts';
import { fill } from './fill.ts';
import { zh } from './zh.ts';

export type Language = 'en' | 'zh';
export type TextKey = keyof Texts;

const TEXTS: Record<Language, Texts> = { en, zh };
const LOCALES: Record<Language, string> = { en: 'en-GB', zh: 'zh-CN' };

const wanted = readSetting('language') ?? navigator.language;

export const language = signal<Language>(wanted.toLowerCase().startsWith('zh') ? 'zh' : 'en');

const formatters = new Map<Language, Formatter>();

export function setLanguage(to: Language): void {
  language.value = to;
  writeSetting('language', to);
  showLanguage();
}

/** Screen readers choose their voice, and browsers the Chinese glyphs, by this. */
export function showLanguage(): void {
  document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en';
}

/** The text of a key; `{name}` is filled from `values`, `one|many` is chosen by `values.n`. */
export function t(key: TextKey, values: Record<string, string | number> = {}): string {
  return fill(TEXTS[language.value][key], values, LOCALES[language.value]);
}

/** The text for a code that comes from a board; one that this page does not know is shown as it is. */
export function tCode(prefix: string, code: string): string {
  const texts = TEXTS[language.value] as Record<string, string>;
  return texts[`${prefix}.${code}`] ?? code;
}

/** Numbers in the present language. */
export function f(): Formatter {
  const now = language.value;
  let formatter = formatters.get(now);
  if (formatter === undefined) {
    formatter = createFormatter(LOCALES[now]);
    formatters.set(now, formatter);
  }
  return formatter;
}
