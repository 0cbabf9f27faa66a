import type { Detector } from '../kinds.ts';

/** GA 36-2018: province, authority, then five (seven characters) or six (new energy, D or F) signs. */
const PLATE =
  /[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z](?: ?[·•.-] ?| )?(?:[DF][A-HJ-NP-Z0-9]\d{4}|\d{5}[DF]|[A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9挂学警港澳])(?![A-Za-z0-9])/g;

export const plate: Detector = {
  kind: 'plate',
  *find(text) {
    for (const match of text.matchAll(PLATE)) {
      // At most two letters stand among the signs; more make it a product's name (阿里云E…).
      const digits = match[0].replace(/\D/g, '').length;
      if (digits >= 3) yield { start: match.index, end: match.index + match[0].length };
    }
  },
};

/** Passport numbers are short and look like part numbers: only after the word. */
const PASSPORT =
  /(?:护照|通行证|(?<![A-Za-z])passport)(?:[ :=#.("']|(?:号码|号|编号|是|为)|(?:number|no|num|is|id)(?![A-Za-z])){0,8}(?<number>[A-Z]{1,2}\d{6,8}|\d{8,9}[A-Z]?|[A-Z]\d[A-Z0-9]{6,7})(?![A-Za-z0-9])/gi;

export const passport: Detector = {
  kind: 'passport',
  *find(text) {
    for (const match of text.matchAll(PASSPORT)) {
      const end = match.index + match[0].length;
      yield { start: end - (match.groups?.['number'] ?? '').length, end };
    }
  },
};

/** SWIFT's IBAN registry: country and length. */
const IBAN_LENGTHS = new Map(
  'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20'
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);
const IBAN_HEAD = /(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ -]?[A-Za-z0-9])/g;

export const iban: Detector = {
  kind: 'iban',
  *find(text) {
    for (const match of text.matchAll(IBAN_HEAD)) {
      const length = IBAN_LENGTHS.get(match[0].slice(0, 2).toUpperCase());
      if (length === undefined) continue;
      const end = endAfter(text, match.index, length);
      if (end !== undefined && mod97(text.slice(match.index, end)))
        yield { start: match.index, end };
    }
  },
};

/** Where this many letters and digits end, single spaces and hyphens between them not counted. */
function endAfter(text: string, start: number, length: number): number | undefined {
  let left = length;
  for (let at = start; at < text.length; at++) {
    const character = text[at] as string;
    if (/[A-Za-z0-9]/.test(character)) left -= 1;
    else if (!/[ -]/.test(character) || /[ -]/.test(text[at - 1] ?? '')) return undefined;
    if (left === 0) return /[A-Za-z0-9]/.test(text[at + 1] ?? '') ? undefined : at + 1;
  }
  return undefined;
}

/** ISO 13616: the first four characters to the end, letters as 10 to 35, remainder 1 modulo 97. */
function mod97(written: string): boolean {
  // Words that follow a country's letters by chance are in lower case.
  if (/[a-z]/.test(written) && /[A-Z]/.test(written)) return false;
  const plain = written.replace(/[ -]/g, '').toUpperCase();
  let remainder = 0;
  for (const character of plain.slice(4) + plain.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder === 1;
}
