import { settings } from './schema.ts';

const MASK = '********';

/**
 * A value as it may be shown: of a setting that can hold a secret, the password of a URL is
 * masked; a plain path is not a secret and stays readable.
 */
export function maskValue(key: string, value: unknown): unknown {
  if (settings.get(key)?.sensitive !== true || typeof value !== 'string' || value === '') {
    return value;
  }
  if (!URL.canParse(value)) return /^[^:@]*$/.test(value) ? value : MASK;
  const url = new URL(value);
  if (url.password === '' && url.search === '') return value;
  if (url.password !== '') url.password = MASK;
  // Database URLs may carry the password as a parameter.
  if (url.search !== '') url.search = `?${MASK}`;
  return url.toString();
}

/** True when the value holds what must not stand on a command line, where every user can read it. */
export function holdsSecret(key: string, value: unknown): boolean {
  return maskValue(key, value) !== value;
}
