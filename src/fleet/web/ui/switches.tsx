import { language, setLanguage, t } from '../i18n/index.ts';
import { setTheme, theme, themeChoice } from '../state/theme.ts';

/** Says in which language it leads: in that language, so that it is found by who needs it. */
export function LanguageSwitch() {
  const other = language.value === 'en' ? 'zh' : 'en';
  return (
    <button
      type="button"
      class="button plain"
      lang={other === 'zh' ? 'zh-CN' : 'en'}
      onClick={() => setLanguage(other)}
    >
      {other === 'zh' ? '中文' : 'English'}
    </button>
  );
}

/** Light, dark, and back to what the system says. */
export function ThemeSwitch() {
  const dark = theme.value === 'dark';
  return (
    <button
      type="button"
      class="button plain"
      aria-label={t(dark ? 'theme.light' : 'theme.dark')}
      title={t(dark ? 'theme.light' : 'theme.dark')}
      aria-pressed={themeChoice.value === 'dark'}
      onClick={() => setTheme(dark ? 'light' : 'dark')}
    >
      <svg class="theme-icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        {dark ? (
          <path
            d="M8 4.6a3.4 3.4 0 1 0 0 6.8 3.4 3.4 0 0 0 0-6.8zM8 .8v1.7M8 13.5v1.7M.8 8h1.7M13.5 8h1.7M2.9 2.9l1.2 1.2M11.9 11.9l1.2 1.2M2.9 13.1l1.2-1.2M11.9 4.1l1.2-1.2"
            fill="none"
            stroke="currentColor"
            stroke-width="1.4"
            stroke-linecap="round"
          />
        ) : (
          <path
            d="M13.4 9.7A5.8 5.8 0 0 1 6.3 2.6a5.8 5.8 0 1 0 7.1 7.1z"
            fill="none"
            stroke="currentColor"
            stroke-width="1.4"
            stroke-linejoin="round"
          />
        )}
      </svg>
    </button>
  );
}
