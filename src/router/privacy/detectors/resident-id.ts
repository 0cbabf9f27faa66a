import { digitRuns, digitWindows } from '../digits.ts';
import type { Detector, Span } from '../kinds.ts';

/** GB 11643-1999: weights of the first 17 digits, and the check character by the sum modulo 11. */
const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECK = '10X98765432';
/** GB/T 2260: the first two digits of the region (province, municipality, Hong Kong, Macao, Taiwan). */
const PROVINCE = /^(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3])/;

/**
 * Chinese resident id: 18 characters, also divided by spaces or hyphens. Region, date and check
 * character must all be right, so glued letters need not be ruled out. The 15-digit form (withdrawn in
 * 2013) has no check character and is not looked for.
 */
export const residentId: Detector = {
  kind: 'resident_id',
  *find(text) {
    for (const run of digitRuns(text)) {
      for (const window of digitWindows(text, run, 17, 18)) {
        const span = withCheck(text, window);
        if (span !== undefined) yield span;
      }
    }
  },
};

function withCheck(text: string, window: Span & { digits: string }): Span | undefined {
  let { end } = window;
  let id = window.digits;
  if (id.length === 17) {
    const tail = /^[ -]?[Xx](?![0-9A-Za-z])/.exec(text.slice(end, end + 3));
    if (tail === null) return undefined;
    end += tail[0].length;
    id += 'X';
  }
  return isResidentId(id) ? { start: window.start, end } : undefined;
}

function isResidentId(id: string): boolean {
  if (!PROVINCE.test(id) || !isDate(id.slice(6, 14))) return false;
  const sum = WEIGHTS.reduce((total, weight, at) => total + weight * Number(id[at]), 0);
  return CHECK[sum % 11] === id[17];
}

/** YYYYMMDD of the last two centuries that the calendar has. */
function isDate(digits: string): boolean {
  const [year, month, day] = [digits.slice(0, 4), digits.slice(4, 6), digits.slice(6)].map(Number);
  if (year === undefined || year < 1900 || year > 2099) return false;
  const date = new Date(Date.UTC(year, (month as number) - 1, day));
  return date.getUTCMonth() + 1 === month && date.getUTCDate() === day;
}
