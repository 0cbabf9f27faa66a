import { isIPv6 } from 'node:net';
import { before } from '../context.ts';
import type { Detector, Span } from '../kinds.ts';

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const IPV4 = new RegExp(
  `(?<![\\dA-Za-z_]|\\d\\.|[A-Za-z0-9]-)(?:${OCTET}\\.){3}${OCTET}(?!\\d|\\.\\d|[A-Za-z_]|-[A-Za-z])`,
  'g',
);
/** Constants that say nothing of anybody: this host, any host, broadcast, netmasks. */
const NOBODYS_IPV4 =
  /^(?:127\.0\.0\.1|0\.0\.0\.0|255\.(?:255|254|252|248|240|224|192|128|0)\.(?:\d+)\.(?:\d+))$/;

const VERSIONED =
  /(?:(?<![A-Za-z])(?:v|ver|version|firmware|fw|release|build|rev|revision|kernel|driver|sdk|bootloader|section|chapter|clause|para|oid|step)|版本号?|固件|驱动|章节?|条款|小节|§)(?:[ .:=v#(]|(?:号|为|是|从|到|at|is|from|to|version|版本|升级)(?![A-Za-z])){0,8}$/i;
/** The second number of “upgraded from 1.2.3.4 to …”. */
const VERSION_AFTER =
  /(?:version|firmware|release|upgraded?|版本|固件|升级)[^\n\d]{0,12}\d{1,5}(?:\.\d{1,5}){2,3} ?(?:to|->|到|至) ?v?$/i;
const VERSIONED_LOOSELY =
  /(?:(?<![A-Za-z])(?:version|firmware|release|upgrade[ds]?|downgrade[ds]?|bootloader)|版本|固件|升级|降级)[^\n]{0,30}$/i;

const IPV6 =
  /(?<![0-9A-Za-z_.]|(?<![A-Za-z_])[0-9A-Fa-f]{1,4}:|::)(?=[0-9A-Fa-f]|::)[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?::?\d{1,3}(?:\.\d{1,3}){3})?(?![0-9A-Za-z_:]|\.\d)/g;
const MAC =
  /(?<![0-9A-Za-z_]|[0-9A-Fa-f][:-])(?:[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}(?:[0-9A-Fa-f]{2}\1[0-9A-Fa-f]{2}\1)?[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![0-9A-Za-z_]|[:-][0-9A-Fa-f]{2})/g;
const NAMED_MAC =
  /(?<![A-Za-z])(?:mac|bssid|hwaddr|ether|ble|bluetooth|物理地址|蓝牙地址)(?:[ _:=#"'(]|(?:地址|address|addr|is|为|是)){0,8}([0-9A-Fa-f]{12})(?![0-9A-Za-z])/gi;

/** IPv4 and IPv6 addresses; version numbers and the constants of networking are left alone. */
export const ip: Detector = {
  kind: 'ip',
  *find(text) {
    for (const match of text.matchAll(IPV4)) {
      if (!NOBODYS_IPV4.test(match[0]) && !isVersion(text, match)) yield spanOf(match);
    }
    for (const match of text.matchAll(IPV6)) if (isHostIpv6(match[0])) yield spanOf(match);
  },
};

/** MAC addresses (EUI-48 and EUI-64): with colons, hyphens, Cisco's dots, or plain when named. */
export const mac: Detector = {
  kind: 'mac',
  *find(text) {
    for (const match of text.matchAll(MAC)) {
      if (isMac(text, match)) yield spanOf(match);
    }
    for (const match of text.matchAll(NAMED_MAC)) {
      const end = match.index + match[0].length;
      yield { start: end - 12, end };
    }
  },
};

function spanOf(match: RegExpExecArray): Span {
  return { start: match.index, end: match.index + match[0].length };
}

function isVersion(text: string, match: RegExpExecArray): boolean {
  const lead = before(text, match.index);
  const parts = match[0].split('.').map(Number);
  if (parts[0] === 192 && parts[1] === 168) return false;
  if (
    /^ ?(?:版本?(?!权)|(?:release|firmware|build)(?![A-Za-z]))/i.test(
      text.slice(match.index + match[0].length, match.index + match[0].length + 10),
    )
  )
    return true;
  if (VERSIONED.test(lead) || VERSION_AFTER.test(lead)) return true;
  // Further away, the word counts only for numbers as small as versions have.
  return parts.every((part) => part < 32) && parts[0] !== 10 && VERSIONED_LOOSELY.test(lead);
}

function isHostIpv6(written: string): boolean {
  if (!isIPv6(written)) return false;
  const groups = written.split(':');
  // Eight pairs are an EUI-64, which `mac` takes.
  if (!written.includes('::')) return groups.some((group) => group.length > 2);
  // Global unicast, unique local, link local, multicast, NAT64, mapped: all that hosts have. This
  // leaves `::1` and the scopes of programming languages (`a::b`) alone.
  return /^(?:[23][0-9a-f]{3}:|f[cdef][0-9a-f]{2}:|64:ff9b:|::ffff:)/i.test(written);
}

function isMac(text: string, { 0: written, index }: RegExpExecArray): boolean {
  if (/^(?:ff[:-]?|00[:-]?)+$/i.test(written)) return false;
  if (/[A-Fa-f]/.test(written)) return true;
  if (/(?:mac|bssid|ether|address|地址)[^\d]{0,12}$/i.test(before(text, index))) return true;
  // Digits only: a time stamp such as 24-05-06-12-30-45, or a register dump of four-digit words.
  if (written.includes('.')) return false;
  const [, month = 0, day = 0, hour = 0, minute = 0, second = 0] = written
    .split(/[:-]/)
    .map(Number);
  return !(
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= 31 &&
    hour < 24 &&
    minute < 60 &&
    second < 60
  );
}
