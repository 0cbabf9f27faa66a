import type { Detector, Span } from '../kinds.ts';

/** RFC 5321: at most 64 characters before the @, 63 in a label, 253 in a name. */
const LOCAL_AT_END = /[A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9_+-])?$/;
const DOMAIN_AT_START =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}(?:[A-Za-z]{2,24}|xn--[A-Za-z0-9-]{2,59})(?![A-Za-z0-9])/;
const LONGEST_DOMAIN = 253;

/** Spelled out, with brackets: name [at] host (dot) com. Brackets make it safe to take. */
const BRACKETED =
  /(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63} {0,2}[[({<] {0,2}(?:at|@|艾特) {0,2}[\])}>] {0,2}[A-Za-z0-9-]{1,63}(?:(?:\.| {0,2}[[({<] {0,2}(?:dot|点|\.) {0,2}[\])}>] {0,2})[A-Za-z0-9-]{1,63}){1,4}(?![A-Za-z0-9])/gi;

/** Spelled out in words; only with a top-level domain that is no English word ("at noon dot"). */
const TLD = '(?:com|org|net|edu|gov|cn|io|co|de|uk|fr|jp|hk|tw|eu|ru|info|dev|ai|ch|nl)';
const WORDS = new RegExp(
  `(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9_%+-]{0,63}(?:(?: dot |点|\\.)[A-Za-z0-9_+-]{1,63}){0,3}(?: at |艾特| 艾特 )[A-Za-z0-9-]{1,63}(?:(?: dot |点| 点 )[A-Za-z0-9-]{1,63}){0,2}(?: dot |点| 点 )${TLD}(?![A-Za-z0-9])`,
  'gi',
);

/** Addresses with ASCII names, written with @ (also full-width) or spelled out. */
export const email: Detector = {
  kind: 'email',
  *find(text) {
    for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
      const span = around(text, at);
      if (span !== undefined) yield span;
    }
    for (const pattern of [BRACKETED, WORDS]) {
      for (const match of text.matchAll(pattern)) {
        yield { start: match.index, end: match.index + match[0].length };
      }
    }
  },
};

function around(text: string, at: number): Span | undefined {
  // A single space on either side is how full-width text and OCR write it.
  const nameEnd = text[at - 1] === ' ' && text[at + 1] === ' ' ? at - 1 : at;
  const hostStart = nameEnd === at ? at + 1 : at + 2;
  const local = LOCAL_AT_END.exec(text.slice(Math.max(0, nameEnd - 64), nameEnd));
  const host = DOMAIN_AT_START.exec(text.slice(hostStart, hostStart + LONGEST_DOMAIN));
  if (local === null || host === null) return undefined;
  // scheme://user:password@host is a password, which `secret` takes.
  const start = nameEnd - local[0].length;
  if (/:\/\/[^\s/@]{0,64}:[^\s/@]{0,64}$/.test(text.slice(Math.max(0, start - 136), start)))
    return undefined;
  const end = hostStart + host[0].length;
  // git@host:path names a repository, not a person.
  if (local[0] === 'git' && text[end] === ':') return undefined;
  return { start, end };
}
