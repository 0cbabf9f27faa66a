import type { NumberOption } from '../../../protocol/index.ts';

/** Digits of a number, before and after the point together: so many a double keeps apart. */
const MAX_DIGITS = 15;
const MAX_EXPONENT_DIGITS = 2;
const POWERS = Array.from({ length: MAX_DIGITS + 1 }, (_, digits) => 10n ** BigInt(digits));
const power = (digits: number): bigint => POWERS[digits] as bigint;
/** States kept per schema number; they are few, unless a model writes many long ones. */
const MAX_MEMO = 4_096;
const NEVER = Number.POSITIVE_INFINITY;

export type NumberState = {
  /** The text is a number that validates. */
  accept: boolean;
  /** Fewest further characters, at least one, to one that does; Infinity when there is none. */
  more: number;
};

/** 12.5e-3 as 125 and the number of decimals, 4. Exact: the shortest text that means the double. */
function decimal(value: number): { mantissa: bigint; decimals: number } {
  const [digits = '0', exponent = '0'] = String(value).split('e');
  const [whole = '0', fraction = ''] = digits.split('.');
  return { mantissa: BigInt(whole + fraction), decimals: fraction.length - Number(exponent) };
}

const floorDiv = (a: bigint, b: bigint): bigint => (a >= 0n ? a / b : -((-a + b - 1n) / b));
const maxOf = (...values: bigint[]): bigint => values.reduce((a, b) => (a > b ? a : b));
const minOf = (...values: bigint[]): bigint => values.reduce((a, b) => (a < b ? a : b));

/** `value` in units of 10^-decimals, rounded down. */
function floorAt(value: number, decimals: number): bigint {
  const exact = decimal(value);
  const shift = decimals - exact.decimals;
  return shift >= 0
    ? exact.mantissa * 10n ** BigInt(shift)
    : floorDiv(exact.mantissa, 10n ** BigInt(-shift));
}

/**
 * Texts of JSON numbers that one schema allows, character by character. Bounds are compared as
 * decimals of at most 15 digits: of those, different texts are different doubles and rounding keeps
 * their order, so a validator that computes in doubles agrees. Numbers without bounds may have an
 * exponent of two digits, which keeps them finite.
 */
export class NumberTexts {
  readonly #option: NumberOption;
  readonly #free: boolean;
  readonly #memo = new Map<string, NumberState>();
  /** Bounds in units of 10^-index; null where there is none. */
  readonly #low: (bigint | null)[] = [];
  readonly #high: (bigint | null)[] = [];

  constructor(option: NumberOption) {
    this.#option = option;
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = option;
    this.#free = [minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf].every(
      (bound) => bound === null,
    );
    for (let decimals = 0; decimals <= MAX_DIGITS; decimals++) {
      const lows: bigint[] = [];
      const highs: bigint[] = [];
      if (minimum !== null) lows.push(-floorAt(-minimum, decimals));
      if (exclusiveMinimum !== null) lows.push(floorAt(exclusiveMinimum, decimals) + 1n);
      if (maximum !== null) highs.push(floorAt(maximum, decimals));
      if (exclusiveMaximum !== null) highs.push(-floorAt(-exclusiveMaximum, decimals) - 1n);
      this.#low.push(lows.length === 0 ? null : maxOf(...lows));
      this.#high.push(highs.length === 0 ? null : minOf(...highs));
    }
  }

  /** `text` is a beginning that was reached character by character from the empty one. */
  state(text: string): NumberState {
    let state = this.#memo.get(text);
    if (state === undefined) {
      state = this.#compute(text);
      if (this.#memo.size >= MAX_MEMO) this.#memo.clear();
      this.#memo.set(text, state);
    }
    return state;
  }

  /** What the text may go on with at all, bounds aside. */
  extends(text: string, character: string): boolean {
    const next = text + character;
    if (this.#option.integer) return /^-?(?:0|[1-9]\d*)?$/.test(next);
    if (/^-?(?:0|[1-9]\d*)?$/.test(next) || /^-?(?:0|[1-9]\d*)\.\d*$/.test(next)) return true;
    return this.#free && /^-?(?:0|[1-9]\d*)(?:\.\d+)?[eE][+-]?\d*$/.test(next);
  }

  #compute(text: string): NumberState {
    if (text === '' || text === '-') {
      let more = NEVER;
      for (const character of text === '' ? '-0123456789' : '0123456789') {
        const next = this.state(text + character);
        more = Math.min(more, 1 + (next.accept ? 0 : next.more));
      }
      return { accept: false, more };
    }
    const exponent = /[eE][+-]?(\d*)$/.exec(text)?.[1];
    if (exponent !== undefined) {
      return {
        accept: exponent !== '' && exponent.length <= MAX_EXPONENT_DIGITS,
        more: exponent.length < MAX_EXPONENT_DIGITS ? 1 : NEVER,
      };
    }
    const negative = text.startsWith('-');
    const [whole = '', fraction] = text.slice(negative ? 1 : 0).split('.');
    const room = MAX_DIGITS - whole.length - (fraction?.length ?? 0);
    if (room < 0) return { accept: false, more: NEVER };
    const value = BigInt(whole + (fraction ?? ''));
    const decimals = fraction?.length ?? 0;
    const accept = fraction !== '' && this.#holds(negative, value, value, decimals);
    return { accept, more: this.#more(negative, whole, fraction, value, room) };
  }

  #more(
    negative: boolean,
    whole: string,
    fraction: string | undefined,
    value: bigint,
    room: number,
  ): number {
    /** Some extension by so many digits, the last `decimals` of them behind the point, fits. */
    const fits = (digits: number, decimals: number) =>
      digits <= room &&
      this.#holds(negative, value * power(digits), (value + 1n) * power(digits) - 1n, decimals);
    if (fraction !== undefined) {
      for (let digits = 1; digits <= room; digits++) {
        if (fits(digits, fraction.length + digits)) return digits;
      }
      return this.#free && fraction !== '' ? 2 : NEVER;
    }
    const mostWhole = whole === '0' ? 0 : room;
    for (let length = 1; length <= room + 1; length++) {
      if (length <= mostWhole && fits(length, 0)) return length;
      if (this.#option.integer) continue;
      // A point costs one character and brings at least one digit.
      for (let decimals = 1; decimals < length; decimals++) {
        const digits = length - 1;
        if (digits - decimals <= mostWhole && fits(digits, decimals)) return length;
      }
    }
    return this.#free && !this.#option.integer ? 2 : NEVER;
  }

  /** Some magnitude from `from` to `to`, in units of 10^-decimals and with that sign, validates. */
  #holds(negative: boolean, from: bigint, to: bigint, decimals: number): boolean {
    const low = this.#low[decimals] as bigint | null;
    const high = this.#high[decimals] as bigint | null;
    // Minus nought is left out: some readers take it for another number than nought.
    const least = negative ? 1n : 0n;
    const [bottom, top] = negative
      ? [high === null ? null : -high, low === null ? null : -low]
      : [low, high];
    let first = maxOf(from, least, ...(bottom === null ? [] : [bottom]));
    const last = top === null ? to : minOf(to, top);
    const { multipleOf } = this.#option;
    if (multipleOf !== null) first = -floorDiv(-first, BigInt(multipleOf)) * BigInt(multipleOf);
    return first <= last;
  }
}
