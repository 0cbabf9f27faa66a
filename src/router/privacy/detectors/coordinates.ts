import { before } from '../context.ts';
import type { Detector, Span } from '../kinds.ts';

const NUMBER = String.raw`[+-]?\d{1,3}\.\d{1,12}`;
const PAIR = new RegExp(
  `(?<![\\d.A-Za-z_]|[\\d.]-)(?<a>${NUMBER})(?<joint> ?[,;/|] {0,2}| {1,2})(?<b>${NUMBER})(?![\\dA-Za-z_%°℃']|\\.\\d| ?(?:kPa|hPa|Pa|ppm|mV|V|mA|A|W|kW|C|F|g|kg|m|mm|cm|ms|s|Hz|dB|lux|rpm|度|伏|安|瓦)(?![A-Za-z]))`,
  'g',
);
const PLACE_WORD =
  /(?:(?<![A-Za-z])(?:lat(?:itude)?|lo?ng?(?:itude)?|gps|geo|location|position|coord(?:inate)?s?|located|whereabouts|map|pin|waypoint|home|parked|lives?|navigate)|坐标|经纬度|位置|定位|经度|纬度|地点|导航|位于|住在|停在)[^\d\n]{0,24}$/i;

/** One number of a pair, by name: `lat: 31.23`, `"longitude":121.47`, 北纬31.23, 经度是121.47. */
const LABELLED =
  /(?:(?<![A-Za-z])(?:lat(?:itude)?|lon(?:g(?:itude)?)?|lng)(?![A-Za-z])|[北南]纬|[东西]经|[经纬]度)(?:[ :="'(]|为|是){0,6}(?<number>[+-]?\d{1,3}\.\d{1,12})(?: ?°)?(?: ?[NSEWnsew](?![A-Za-z]))?(?!\d)/gi;

/** Degrees with a hemisphere, decimal or in minutes and seconds. */
const DEGREES = String.raw`\d{1,3}(?:\.\d{1,12})? ?[°度º] ?(?:\d{1,2}(?:\.\d{1,8})? ?['分] ?(?:\d{1,2}(?:\.\d{1,8})? ?(?:["秒]|'') ?)?)?`;
const WITH_HEMISPHERE = new RegExp(
  `(?<![\\d.A-Za-z_])(?:(?:[NSEW] ?|[北南]纬 ?|[东西]经 ?)${DEGREES}|${DEGREES} ?[NSEW](?![A-Za-z]))`,
  'g',
);
/** Letters without a degree sign need their other half: `N31.2304 E121.4737`, `31.23N, 121.47E`. */
const LETTERED =
  /(?<![\d.A-Za-z_])(?:[NS] ?\d{1,2}\.\d{1,12}[ ,;/]{1,3}[EW] ?\d{1,3}\.\d{1,12}|\d{1,2}\.\d{1,12} ?[NS][ ,;/]{1,3}\d{1,3}\.\d{1,12} ?[EW])(?![\dA-Za-z_])/g;
/** ISO 6709: +31.2304+121.4737/ */
const ISO_6709 =
  /(?<![\d.])[+-]\d{2}\.\d{2,10}[+-]\d{3}\.\d{2,10}(?:[+-]\d{1,5}(?:\.\d{1,4})?)?\/?(?![\d.])/g;

/** Places on the map. Pairs without a word, sign or hemisphere need four decimals on both sides. */
export const coordinates: Detector = {
  kind: 'coordinates',
  *find(text) {
    for (const match of text.matchAll(PAIR)) {
      if (isPlace(text, match)) yield { start: match.index, end: match.index + match[0].length };
    }
    for (const match of text.matchAll(LABELLED)) {
      const value = Math.abs(Number(match.groups?.['number']));
      if (value <= 180) yield numberOf(match);
    }
    for (const pattern of [WITH_HEMISPHERE, LETTERED, ISO_6709]) {
      for (const match of text.matchAll(pattern)) {
        yield { start: match.index, end: match.index + match[0].trimEnd().length };
      }
    }
  },
};

function numberOf(match: RegExpExecArray): Span {
  const number = match.groups?.['number'] ?? '';
  const start = match.index + match[0].lastIndexOf(number);
  return { start, end: start + number.length };
}

function isPlace(text: string, match: RegExpExecArray): boolean {
  const { a = '', b = '', joint = '' } = match.groups ?? {};
  const [x, y] = [Math.abs(Number(a)), Math.abs(Number(b))];
  if (!((x <= 90 && y <= 180) || (x <= 180 && y <= 90))) return false;
  const end = match.index + match[0].length;
  const inAList =
    /^ ?[,;] ?[+-]?\d/.test(text.slice(end, end + 4)) ||
    /\d ?[,;] ?$/.test(text.slice(Math.max(0, match.index - 4), match.index));
  if (PLACE_WORD.test(before(text, match.index))) return true;
  // With a mere space between, one of the two must be beyond what a latitude can be.
  if (inAList || !(/[,;]/.test(joint) || (joint === ' ' && Math.max(x, y) > 90))) return false;
  const decimals = (number: string) => number.length - number.indexOf('.') - 1;
  return decimals(a) >= 4 && decimals(b) >= 4 && Math.max(x, y) >= 10;
}
