/** What the reader has chosen, kept in this browser. Works without it where storage is forbidden. */
type SettingName = 'language' | 'theme' | 'columns' | 'group' | 'range';

const PREFIX = 'twowatt.';

export function readSetting(name: SettingName): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function writeSetting(name: SettingName, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Private windows: the choice lasts as long as the page.
  }
}
