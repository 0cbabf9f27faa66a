import { computed, effect, signal } from '@preact/signals';
import { readSetting, writeSetting } from './settings.ts';

export type ThemeChoice = 'auto' | 'light' | 'dark';

const stored = readSetting('theme');
const dark = matchMedia('(prefers-color-scheme: dark)');
const systemIsDark = signal(dark.matches);
dark.addEventListener('change', () => {
  systemIsDark.value = dark.matches;
});

export const themeChoice = signal<ThemeChoice>(
  stored === 'light' || stored === 'dark' ? stored : 'auto',
);

export const theme = computed<'light' | 'dark'>(() => {
  if (themeChoice.value !== 'auto') return themeChoice.value;
  return systemIsDark.value ? 'dark' : 'light';
});

export function setTheme(choice: ThemeChoice): void {
  themeChoice.value = choice;
  writeSetting('theme', choice);
}

/** Keeps the page in the chosen colours. */
export function followTheme(): void {
  effect(() => {
    document.documentElement.dataset['theme'] = theme.value;
  });
}

/** A colour of the style sheet, for what is drawn on a canvas. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
