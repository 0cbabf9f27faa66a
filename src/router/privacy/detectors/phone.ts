import { before, namesAThing } from '../context.ts';
import type { Detector, Span } from '../kinds.ts';

/** Every quantifier below is bounded, so that each pattern takes linear time on any text. */
const SEP = '[ .-]{0,3}';
const CN_PREFIX = String.raw`(?:(?:\+|00)?86${SEP}|\(\+?86\)${SEP}|\+\(86\)${SEP})?`;
const NOT_GLUED = String.raw`(?<![\dA-Za-z_]|\d\.|[A-Za-z0-9_]-)`;
const LABEL = '(?:tel|phone|mobile|mob|cell|fax|wechat|whatsapp)';
const START = `(?:${NOT_GLUED}|(?<=(?<![A-Za-z])${LABEL}))`;
const END = String.raw`(?![\dA-Za-z_]|\.\d)`;
const EXTENSION = String.raw`(?:-\d{1,5}(?!\d)| ?(?:转|分机|ext\.?|x) ?\d{1,5}(?!\d))?`;

/** Mobile numbers of mainland China: 1 and 10 digits, in the divisions that people write. */
const CN_MOBILE = new RegExp(
  `${START}${CN_PREFIX}(?:1[3-9]\\d${SEP}\\d{4}${SEP}\\d{4}|1[3-9]\\d${SEP}\\d{3}${SEP}\\d{5}|1[3-9]\\d{2}${SEP}\\d{3}${SEP}\\d{4})${END}`,
  'gi',
);

/** Landlines of mainland China: area codes 010, 02x (8 digits follow) and 03xx to 09xx (7 or 8). */
const CN_LANDLINE = new RegExp(
  `${START}(?:${CN_PREFIX}\\(?0(?:10|2[0-57-9])\\)?${SEP}[2-8]\\d{3}|${CN_PREFIX}\\(?0[3-9]\\d{2}\\)?${SEP}[2-8]\\d{2,3}|(?:\\+|00)86${SEP}\\(?(?:10|2[0-57-9])\\)?${SEP}[2-8]\\d{3}|(?:\\+|00)86${SEP}\\(?[3-9]\\d{2}\\)?${SEP}[2-8]\\d{2,3})${SEP}\\d{4}${EXTENSION}${END}`,
  'gi',
);

/** International form; `checkedInternational` holds it to ITU-T E.164. */
const INTERNATIONAL =
  /(?<![\dA-Za-z_]|\d\.)(?:\+|(?<![\d-])00(?=[1-9]\d{0,2}[ -]))\(?\d(?:[ .()/-]{0,3}\d){6,16}/g;

/** North America, divided: (415) 555-2671, 415-555-2671, 1.415.555.2671. */
const NANP =
  /(?<![\dA-Za-z_]|[\d.][.-]|[A-Za-z]-)(?:1[ .-])?(?:\([2-9]\d{2}\)[ .-]{0,2}\d{3}[ .-]\d{4}|[2-9]\d{2}([.-])\d{3}\1\d{4}|(?<!\d )[2-9]\d{2} [2-9]\d{2} \d{4}(?! \d))(?![\dA-Za-z_]|[.-]\d)/g;

/** National forms with trunk prefix 0 (GB, DE, FR, IT, JP, KR, IN, AU, TW, …), divided one way. */
const TRUNK =
  /(?<![\dA-Za-z_+/]|[\d.A-Za-z][.-]|\d )(?:\(0[1-9]\d{0,3}\)[ -]?\d{3,4}(?:[ -]?\d{3,4}){1,2}|0[1-9]\d{0,3}([ -])\d{2,4}(?:\1\d{3,4}){1,2}|0[1-9]\d{1,3}[ /-]\d{5,8}|(?<![0-9A-Fa-f]{2} )0[1-9](?:( )\d\d(?:\2\d\d){3}|([.-])\d\d(?:\3\d\d){3})(?! [0-9A-Fa-f]{2}(?![0-9A-Za-z])))(?![\dA-Za-z_]|[.:/-]\d)/g;

/** With a word before it that says so, any 7 to 15 digits are a phone number. */
const WORD = String.raw`(?:(?<![A-Za-z])(?:tel(?:ephone|efon)?|phone|mobile|cell(?:phone)?|whatsapp|fax|hotline|sms|handy|ph(?=[ .:=]))(?![A-Za-z])|(?<![A-Za-z])(?:call|dial|text|ring|reach|contact)(?= (?:me|us|him|her|them|my|our|\+|\(|\d{2,5}[ -]\d))|(?<![A-Za-z])(?:call|text|ring|reach|contact|message) (?:[A-Za-z.]{1,16} ){1,4}(?:on|at|under|via)(?= )|(?<![A-Za-z])(?:my|your|his|her|our|their) number(?= is)|电话|手机|座机|固话|传真|热线|致电|拨打|联系(?:人|方式|电话)?|回电|来电|打给|微信号?)`;
const CONNECTOR = String.raw`(?:[ :=(#."']|(?:number|no|nr|num|is|was|at|on|to|me|us|him|her|them|my|our|line|code|home|office|work|号码|号|是|为|我|他|她|请|打|拨)(?![A-Za-z]))`;
const AFTER_WORD = new RegExp(
  `${WORD}${CONNECTOR}{0,10}(?<number>\\+?\\(?\\d(?:[ ()./-]{0,3}\\d){6,14})(?!\\d|\\.\\d|[A-Za-z_%°℃]| ?(?:ms|s|kHz|Hz|V|mV|mAh|A|W|rpm|次|步|秒|毫秒|个|times|steps)(?![A-Za-z]))`,
  'gi',
);

export const phone: Detector = {
  kind: 'phone',
  *find(text) {
    for (const pattern of [CN_MOBILE, CN_LANDLINE]) {
      for (const match of text.matchAll(pattern)) {
        if (!(/^\d+$/.test(match[0]) && isAQuantity(text, match))) yield spanOf(match);
      }
    }
    for (const match of text.matchAll(INTERNATIONAL)) {
      if (match[0].startsWith('00') && namesAThing(text, match.index)) continue;
      const span = checkedInternational(match);
      if (span !== undefined) yield span;
    }
    for (const match of text.matchAll(NANP)) {
      if (!namesAThing(text, match.index)) yield spanOf(match);
    }
    for (const match of text.matchAll(TRUNK)) {
      if (isTrunkNumber(match[0]) && !namesAThing(text, match.index)) yield spanOf(match);
    }
    for (const match of text.matchAll(AFTER_WORD)) {
      const number = match.groups?.['number'] ?? '';
      const end = match.index + match[0].length;
      if (!looksLikeADate(number)) yield { start: end - number.length, end };
    }
  },
};

function spanOf(match: RegExpExecArray): Span {
  return { start: match.index, end: match.index + match[0].length };
}

/** Digits without any division are a number of something when the words around them say so. */
function isAQuantity(text: string, match: RegExpExecArray): boolean {
  const end = match.index + match[0].length;
  return (
    namesAThing(text, match.index) ||
    /[\d)] ?= ?$/.test(before(text, match.index)) ||
    /^ ?(?:次|步|个|行|字节|毫秒|秒|元|赫兹|脉冲|(?:bytes|pulses|ticks|counts|steps|times|ms|us|ns|Hz)(?![A-Za-z]))/.test(
      text.slice(end, end + 8),
    )
  );
}

/** Country codes of one and two digits (ITU-T E.164 list); three digits begin with what is left. */
const TWO_DIGIT_CODES = /^(?:2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])/;
const THREE_DIGIT_CODES = /^(?:2[1-689]|3[578]|42|5[09]|6[789]|8[058]|9[679])/;

function checkedInternational(match: RegExpExecArray): Span | undefined {
  const written = match[0];
  const digits = written.replace(/^00/, '').replace(/\D/g, '');
  // `+25.3000000` is a reading: one dot and nothing else that divides.
  if (/^\+\d+\.\d+$/.test(written)) return undefined;
  const exact = digits.startsWith('1') || digits.startsWith('7') ? 11 : undefined;
  if (exact !== undefined) {
    if (digits.length < exact || !/^(?:1[2-9]|7[3-9])/.test(digits)) return undefined;
    return { start: match.index, end: match.index + lengthOf(written, exact) };
  }
  if (!TWO_DIGIT_CODES.test(digits) && !THREE_DIGIT_CODES.test(digits)) return undefined;
  if (digits.length < 8 || digits.length > 17) return undefined;
  // E.164 ends at 15 digits; a trunk 0 in brackets, as in +44 (0)20, is no part of them.
  const most = 15 + (written.includes('(0)') ? 1 : 0);
  return {
    start: match.index,
    end: match.index + lengthOf(written, Math.min(most, digits.length)),
  };
}

/** The length of the beginning that holds this many digits, not counting a leading 00. */
function lengthOf(written: string, digits: number): number {
  let left = digits + (written.startsWith('00') ? 2 : 0);
  for (let at = 0; at < written.length; at++) {
    if (/\d/.test(written[at] as string)) left -= 1;
    if (left === 0) return at + 1;
  }
  return written.length;
}

function isTrunkNumber(written: string): boolean {
  const digits = written.replace(/\D/g, '').length;
  return digits >= 9 && digits <= 12 && !/^0\d[ -][0-3]\d[ -](?:19|20)\d\d/.test(written);
}

function looksLikeADate(number: string): boolean {
  return (
    /^(?:19|20)\d\d[-. ](?:0?[1-9]|1[0-2])[-. ][0-3]?\d(?!\d)/.test(number) ||
    /^\d+\.\d+$/.test(number)
  );
}
