/**
 * Numbers for people: every one with its unit, a fixed number of digits so that columns stand still, and
 * a dash for what is not known. Pure; the language only decides separators and words.
 */
export type Formatter = ReturnType<typeof createFormatter>;

export const UNKNOWN = '–';

/** A figure in two parts, so that a page can set the unit smaller. */
export type Figure = { value: string; unit: string };

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

const UNIT_WORDS = {
  en: { second: 's', minute: 'min', hour: 'h', day: 'd' },
  zh: { second: '秒', minute: '分', hour: '小时', day: '天' },
};

export function createFormatter(language: string) {
  const words = language.startsWith('zh') ? UNIT_WORDS.zh : UNIT_WORDS.en;
  const byDigits = new Map<number, Intl.NumberFormat>();
  const number = (value: number, digits: number): string => {
    let format = byDigits.get(digits);
    if (format === undefined) {
      format = new Intl.NumberFormat(language, {
        minimumFractionDigits: digits,
        maximumFractionDigits: digits,
      });
      byDigits.set(digits, format);
    }
    return format.format(value);
  };
  const clockTime = new Intl.DateTimeFormat(language, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  });
  const dateTime = new Intl.DateTimeFormat(language, {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  });

  const figure = (value: number | null | undefined, digits: number, unit: string): Figure =>
    value === null || value === undefined || !Number.isFinite(value)
      ? { value: UNKNOWN, unit: '' }
      : { value: number(value, digits), unit };

  /** Three digits that matter, with the prefix that makes them so. */
  const scaled = (
    value: number | null | undefined,
    steps: readonly (readonly [number, string])[],
  ): Figure => {
    if (value === null || value === undefined || !Number.isFinite(value))
      return figure(null, 0, '');
    const [least = [1, '']] = steps.slice(-1);
    const [from, unit] = steps.find(([reached]) => Math.abs(value) >= reached) ?? least;
    const shown = value / (from === 1e4 ? 1e3 : from);
    return figure(shown, Math.abs(shown) >= 100 ? 0 : Math.abs(shown) >= 10 ? 1 : 2, unit);
  };

  return {
    language,
    number,
    count: (value: number | null | undefined) => figure(value, 0, ''),
    /** Counts that grow for ever: `2.37 G`. */
    large: (value: number | null | undefined) =>
      scaled(value, [
        [1e9, 'G'],
        [1e6, 'M'],
        [1e4, 'k'],
        [1, ''],
      ]),
    watts: (value: number | null | undefined) => figure(value, 2, 'W'),
    /** For sums over boards, which may be kilowatts. */
    wattsTotal: (value: number | null | undefined) =>
      scaled(value, [
        [1e6, 'MW'],
        [1e3, 'kW'],
        [1, 'W'],
      ]),
    celsius: (value: number | null | undefined) => figure(value, 1, '°C'),
    tokensPerS: (value: number | null | undefined) => figure(value, 1, 'tok/s'),
    tokensPerSTotal: (value: number | null | undefined) =>
      scaled(value, [
        [1e6, 'Mtok/s'],
        [1e3, 'ktok/s'],
        [1, 'tok/s'],
      ]),
    joulesPerToken: (value: number | null | undefined) => figure(value, 3, 'J/tok'),
    joules: (value: number | null | undefined) => figure(value, 2, 'J'),
    megahertz: (khz: number | null | undefined) =>
      figure(khz === null || khz === undefined ? null : khz / 1000, 0, 'MHz'),
    /** A share from 0 to 1. */
    percent: (share: number | null | undefined, digits = 0) =>
      figure(share === null || share === undefined ? null : share * 100, digits, '%'),
    bytes: (value: number | null | undefined) =>
      scaled(value, [
        [2 ** 40, 'TiB'],
        [2 ** 30, 'GiB'],
        [2 ** 20, 'MiB'],
        [2 ** 10, 'KiB'],
        [1, 'B'],
      ]),
    milliseconds: (value: number | null | undefined) =>
      value !== null && value !== undefined && value >= 1000
        ? figure(value / 1000, value >= 100_000 ? 0 : 1, 's')
        : figure(value, 0, 'ms'),
    money: (amount: number | null | undefined, currency: string): Figure =>
      amount !== null && amount !== undefined && Math.abs(amount) > 0 && Math.abs(amount) < 0.01
        ? figure(amount, 5, currency)
        : figure(amount, 2, currency),
    /** `4 s`, `12 min`, `3 h 05 min`, `2 d 4 h`: two units at most. */
    duration(seconds: number | null | undefined): string {
      if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return UNKNOWN;
      const s = Math.max(0, Math.floor(seconds));
      if (s < MINUTE_S) return `${s} ${words.second}`;
      if (s < HOUR_S) return `${Math.floor(s / MINUTE_S)} ${words.minute}`;
      if (s < DAY_S) {
        const minutes = String(Math.floor((s % HOUR_S) / MINUTE_S)).padStart(2, '0');
        return `${Math.floor(s / HOUR_S)} ${words.hour} ${minutes} ${words.minute}`;
      }
      const hours = Math.floor((s % DAY_S) / HOUR_S);
      return `${Math.floor(s / DAY_S)} ${words.day} ${hours} ${words.hour}`;
    },
    clock: (ms: number) => (Number.isFinite(ms) ? clockTime.format(ms) : UNKNOWN),
    dateTime: (ms: number) => (Number.isFinite(ms) ? dateTime.format(ms) : UNKNOWN),
  };
}

export const inOneLine = ({ value, unit }: Figure): string =>
  unit === '' ? value : `${value} ${unit}`;
