import { before, namesAThing } from '../context.ts';
import { digitRuns, digitWindows, type DigitWindow, luhn } from '../digits.ts';
import type { Detector } from '../kinds.ts';

/**
 * Issuer ranges with the lengths that they use (ISO/IEC 7812 register as the schemes publish it).
 * One number in ten passes Luhn by chance; the ranges keep out time stamps (1…), dates (20…),
 * IMEIs (15 digits with 35, 86) and SIM cards (89…).
 */
const SCHEMES: { prefix: RegExp; lengths: readonly number[] }[] = [
  { prefix: /^4/, lengths: [13, 16, 19] },
  { prefix: /^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, lengths: [16] },
  { prefix: /^3[47]/, lengths: [15] },
  { prefix: /^(?:30[0-5]|3[689])/, lengths: [14, 16, 19] },
  { prefix: /^35(?:2[89]|[3-8])/, lengths: [16, 17, 18, 19] },
  { prefix: /^(?:62|81)/, lengths: [16, 17, 18, 19] },
  { prefix: /^(?:6011|64[4-9]|65)/, lengths: [16, 17, 18, 19] },
  { prefix: /^(?:50|5[6-9]|60|63|67|68|69)/, lengths: [13, 14, 15, 16, 17, 18, 19] },
  { prefix: /^220[0-4]/, lengths: [16, 17, 18, 19] },
  { prefix: /^9558/, lengths: [19] },
];

const NAMED =
  /(?:银行卡|信用卡|储蓄卡|借记卡|卡号|账号|帐号|账户|(?<![A-Za-z])(?:card|visa|mastercard|amex|unionpay|pan|iban|account|acct))[^\d]{0,16}$/i;

/** Bank card: 13 to 19 digits, Luhn, plain or in groups. */
export const bankCard: Detector = {
  kind: 'bank_card',
  *find(text) {
    for (const run of digitRuns(text)) {
      for (const window of digitWindows(text, run, 13, 19)) {
        if (isCard(text, window)) yield window;
      }
    }
  },
};

function isCard(text: string, { start, end, digits, groups }: DigitWindow): boolean {
  if (!luhn(digits) || /^0+$/.test(digits)) return false;
  if (
    /^\.\d/.test(text.slice(end, end + 2)) ||
    /\d\.$/.test(text.slice(Math.max(0, start - 2), start))
  )
    return false;
  if (NAMED.test(before(text, start))) return true;
  if (
    !SCHEMES.some(({ prefix, lengths }) => lengths.includes(digits.length) && prefix.test(digits))
  )
    return false;
  if (/[A-Za-z_]/.test(text[start - 1] ?? '') || /[A-Za-z_]/.test(text[end] ?? '')) return false;
  if (namesAThing(text, start)) return false;
  return groups.length === 1 || isGrouped(text, start, end, groups);
}

/** Cards are divided 4-4-4-4(-3), 4-6-5, 4-6-4 or 6-…; a longer row of fours is a row of readings. */
function isGrouped(
  text: string,
  start: number,
  end: number,
  groups: DigitWindow['groups'],
): boolean {
  const sizes = groups.map((group) => group.end - group.start);
  const first = sizes[0] as number;
  if ((first !== 4 && first !== 6) || sizes.slice(0, -1).some((size) => size < 4)) return false;
  const goesOn = /^[ -]\d{4}(?!\d)/.test(text.slice(end, end + 6));
  const cameFrom = /(?<!\d)\d{4}[ -]$/.test(text.slice(Math.max(0, start - 6), start));
  return !goesOn && !cameFrom;
}
