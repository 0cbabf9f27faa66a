import type { Detector, Span } from '../kinds.ts';
import { isRandomLooking } from './randomness.ts';

/**
 * Forms that their issuers publish so that scanners can find them. Ends are open: a longer token than
 * is known today must not leave by being longer.
 */
const ISSUED = [
  'sk-[A-Za-z0-9_-]{16,}',
  'gh[pousr]_[A-Za-z0-9]{30,}',
  'github_pat_[A-Za-z0-9_]{22,}',
  'glpat-[A-Za-z0-9_-]{20,}',
  '(?:AKIA|ASIA)[A-Z0-9]{16}',
  'AIza[A-Za-z0-9_-]{35}',
  'LTAI[A-Za-z0-9]{12,26}',
  'AKID[A-Za-z0-9]{13,40}',
  'xox[abeoprs]-[A-Za-z0-9-]{10,}',
  'hf_[A-Za-z0-9]{30,}',
  'npm_[A-Za-z0-9]{36}',
  '[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}',
  String.raw`SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,}`,
  String.raw`ya29\.[A-Za-z0-9_-]{20,}`,
  'dop_v1_[a-f0-9]{64}',
  String.raw`bce-v3\/ALTAK-[A-Za-z0-9]{16,32}\/[a-f0-9]{32,}`,
  // JWT (RFC 7519): the header is JSON, so it begins with eyJ; unsigned ones end with a dot.
  String.raw`eyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{8,16384}\.[A-Za-z0-9_-]{0,}`,
].join('|');
const ISSUED_TOKEN = new RegExp(`(?<![A-Za-z0-9])(?:${ISSUED})`, 'g');

/** RFC 7468, private kinds only. */
const PEM_HEAD = /-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----/g;
const PEM_END = /-----END (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----/g;

const BEARER = /(?<![A-Za-z])(?:bearer|basic)[ :]{1,3}(?<value>[A-Za-z0-9._~+/=-]{8,})/gi;
const URL_CREDENTIALS = /(?<=:\/\/[^\s/:@]{0,64}:)[^\s/@]{1,128}(?=@)/g;

/** `password: …`, `API_KEY=…`, 密码是…; the value is judged by `isValue`. */
const KEY = String.raw`(?:pass(?:word|wd|phrase|code)|(?<![A-Za-z])(?:pwd|pass|psk|pin|otp)(?:[ _-]?code)?|secret(?:[ _-]?key)?|token|api[ _-]?key|access[ _-]?key(?:[ _-]?(?:id|secret))?|private[ _-]?key|auth[ _-]?key|encryption[ _-]?key|verification code|login code|密码|口令|密钥|秘钥|令牌|验证码|校验码|通行码)`;
const ASSIGNED = new RegExp(
  `(?<key>${KEY})(?<join>["'\`]?[)\\]]? {0,2}(?:=>|->|:=|[:=]|(?:(?<![A-Za-z])(?:is|was|to)(?![A-Za-z]))|是|为|改成|设为|设成|换成) {0,2}|(?<=[\\u4e00-\\u9fff]) ?| )(?:"(?<double>(?:[^"\\\\\\n]|\\\\.){4,4096})"|'(?<single>(?:[^'\\\\\\n]|\\\\.){4,4096})'|\`(?<tick>[^\`\\n]{4,4096})\`|(?<bare>[!-~]{4,4096}))`,
  'gi',
);
/**
 * Words of documentation, variables and templates that stand where a value would. Narrow on purpose:
 * passwords begin with $ and % too.
 */
const NOT_A_VALUE = new RegExp(
  `^(?:${[
    'null|none|nil|true|false|required|optional|string|number|integer|undefined|empty|default|unset',
    'missing|invalid|valid|expired|wrong|incorrect|hidden|redacted|secret|password|token|changed?',
    'reset|removed|disabled|enabled|unknown|here|test|todo|n/a|bearer|basic',
    String.raw`(?:process|os)\.env(?:iron)?\b.*|env\.\w+|get\w*\(.*`,
    '(?:your|my)[_-](?:[a-z]+[_-])?(?:password|passphrase|secret|token|key)(?:[_-]here)?',
    String.raw`\$\{.*|\$[A-Z_]+|\$\(.*|<[^>]*>?|\{\{?[^}]*\}*|%[A-Z_]+%|%[sd]|\[[A-Za-z][^\]]*\]?`,
    String.raw`[*x•]+|\.+|-+|_+|=+`,
  ].join('|')})$`,
  'i',
);

/** A run that could be a key by its length; `isRandomLooking` decides. */
const LONG_RUN = /(?<![A-Za-z0-9+/_=.-])[A-Za-z0-9+/_-]{24,}={0,2}(?![A-Za-z0-9+/_=-])/g;

/** Keys, tokens, passwords. A bare word is taken only by its issuer's form, its place or its randomness. */
export const secret: Detector = {
  kind: 'secret',
  *find(text) {
    for (const match of text.matchAll(ISSUED_TOKEN)) yield spanOf(match);
    yield* pemBlocks(text);
    for (const match of text.matchAll(BEARER)) {
      const value = match.groups?.['value'] ?? '';
      // “basic training.” is prose.
      if (/\d|[a-z][A-Z]|[A-Z]{2}[a-z]|[_~+/=]/.test(value)) yield tail(match, value);
    }
    for (const match of text.matchAll(URL_CREDENTIALS)) {
      if (!NOT_A_VALUE.test(match[0])) yield spanOf(match);
    }
    yield* assignments(text);
    for (const match of text.matchAll(LONG_RUN)) {
      if (isRandomLooking(match[0])) yield spanOf(match);
    }
  },
};

function spanOf(match: RegExpExecArray): Span {
  return { start: match.index, end: match.index + match[0].length };
}

function tail(match: RegExpExecArray, value: string): Span {
  const end = match.index + match[0].length;
  return { start: end - value.length, end };
}

function* pemBlocks(text: string): Generator<Span> {
  let from = 0;
  for (const head of text.matchAll(PEM_HEAD)) {
    if (head.index < from) continue;
    PEM_END.lastIndex = head.index;
    const foot = PEM_END.exec(text);
    // Without a foot nothing says where the key ends, so nothing after its head leaves.
    const end = foot === null ? text.length : foot.index + foot[0].length;
    yield { start: head.index, end };
    from = end;
  }
}

function* assignments(text: string): Generator<Span> {
  const pattern = new RegExp(ASSIGNED);
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const { key = '', join = '', double, single, tick, bare } = match.groups ?? {};
    const quoted = double ?? single ?? tick;
    const value = quoted ?? withoutSentenceEnd(bare ?? '');
    const end = match.index + match[0].length;
    const start = quoted === undefined ? end - (bare ?? '').length : end - 1 - quoted.length;
    // After `--password` stands the password, whatever it looks like.
    const option = text[match.index - 1] === '-' && join === ' ';
    if (isValue(key, option ? '=' : join.trim(), value, quoted !== undefined)) {
      yield { start, end: start + value.length };
    } else {
      // What was no value may hold the next key: `secret token: …`.
      pattern.lastIndex = match.index + key.length;
    }
  }
}

/** Where a bare value stops: at what separates it from the next field or closes the sentence. */
function withoutSentenceEnd(bare: string): string {
  const cut =
    /[,;&](?=[A-Za-z_]{1,40}[=:])|["'`](?=[,;:)}\]]|$)|<(?=[/a-z!])/.exec(bare)?.index ??
    bare.length;
  return bare.slice(0, cut).replace(/[.,;:)\]}]+$/, '');
}

function isValue(key: string, join: string, value: string, quoted: boolean): boolean {
  if (value.length < 4 || NOT_A_VALUE.test(value)) return false;
  if (/^(?:pin|otp|verification|login|验证码|校验码)/i.test(key))
    return /^[A-Za-z0-9-]{4,10}$/.test(value) && /\d/.test(value);
  if (/token/i.test(key) && /^\d{1,5}$/.test(value)) return false;
  const chinese = /[\u4e00-\u9fff]/.test(key);
  if (quoted && join !== '') return true;
  if (/^[:=]|^["'`)\]]|^=>|^->/.test(join)) return true;
  if (join !== '' && chinese) return !/^\d{4}-\d\d/.test(value);
  // "password is wrong", "password hunter2": prose unless the value is more than a word.
  const mixed = /\d/.test(value) && /[^\d.]/.test(value);
  const symbols = /[^A-Za-z0-9.,'-]|-[^-]+-/.test(value);
  return (
    (mixed || symbols || (chinese && /^\d{6,}$|[a-z][A-Z]|[A-Z]{2}[a-z]/.test(value))) &&
    value.length >= 6
  );
}
