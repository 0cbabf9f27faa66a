/**
 * Private data as people write it, made from the public formats alone: nothing here is shared with the
 * detectors, and each check digit is computed the other way round (found by trial, or by a table).
 */
import type { Dice } from './dice.ts';

export type Maker = (dice: Dice) => string;

const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const LOWER = UPPER.toLowerCase();
const BASE62 = `${UPPER}${LOWER}0123456789`;

const two = (n: number) => String(n).padStart(2, '0');
const wide = (text: string) =>
  text.replace(/[!-~]/g, (c) => String.fromCodePoint((c.codePointAt(0) as number) + 0xfee0));
const groups = (text: string, sizes: number[], joint: string) => {
  let at = 0;
  return sizes.map((size) => text.slice(at, (at += size))).join(joint);
};

/** Most texts are written plainly; one in twelve with the full-width signs of Chinese keyboards. */
const sometimesWide =
  (maker: Maker): Maker =>
  (dice) => {
    const value = maker(dice);
    return dice.chance(1 / 12) ? wide(value) : value;
  };

function residentId(dice: Dice): string {
  const region = dice.pick(
    '110101 110105 120102 130102 210102 220102 230102 310104 310115 320106 330106 340102 350203 360102 370202 410105 420106 430102 440106 440305 450103 460105 500103 510104 520102 530102 540102 610113 620102 630102 640104 650102'.split(
      ' ',
    ),
  );
  const born = `${dice.int(1940, 2015)}${two(dice.int(1, 12))}${two(dice.int(1, 28))}`;
  const body = region + born + dice.digits(3);
  // ISO 7064 MOD 11-2 read as a polynomial: the check character makes the whole congruent to 1.
  const weighed = (text: string) =>
    text.split('').reduce((sum, c) => (sum * 2 + (c === 'X' ? 10 : Number(c))) % 11, 0);
  const check = '0123456789X'.split('').find((c) => weighed(body + c) === 1) as string;
  const id = body + (check === 'X' && dice.chance(0.3) ? 'x' : check);
  return dice.pick([
    () => id,
    () => id,
    () => id,
    () => groups(id, [6, 8, 4], ' '),
    () => groups(id, [6, 8, 4], '-'),
    () => groups(id, [6, 4, 4, 4], ' '),
    () => groups(id, [3, 3, 4, 4, 4], ' '),
    () => groups(id, [4, 4, 4, 4, 2], ' '),
  ])();
}

/** The last digit that makes the doubled-digit sums of ISO/IEC 7812 end in zero. */
function withCardCheck(body: string): string {
  const DOUBLED = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];
  const sum = body
    .split('')
    .reverse()
    .reduce(
      (total, c, at) => total + (at % 2 === 0 ? (DOUBLED[Number(c)] as number) : Number(c)),
      0,
    );
  return body + String((1000 - sum) % 10);
}

function bankCard(dice: Dice): string {
  const [prefix, length] = dice.pick<[string, number]>([
    ['4', 16],
    ['4', 16],
    ['4', 13],
    ['4', 19],
    [`5${dice.int(1, 5)}`, 16],
    [String(dice.int(2221, 2720)), 16],
    ['34', 15],
    ['37', 15],
    ['36', 14],
    [String(dice.int(3528, 3589)), 16],
    ['6011', 16],
    ['65', 16],
    ['622202', 19],
    ['621700', 19],
    ['622848', 19],
    ['625912', 16],
    ['6228', 17],
    ['6226', 18],
  ]);
  const number = withCardCheck(prefix + dice.digits(length - prefix.length - 1));
  if (dice.chance(0.5)) return number;
  const joint = dice.pick([' ', ' ', '-']);
  const sizes: Record<number, number[]> = {
    13: [4, 3, 3, 3],
    14: [4, 6, 4],
    15: [4, 6, 5],
    16: [4, 4, 4, 4],
    17: [4, 4, 4, 5],
    18: [6, 4, 4, 4],
    19: dice.chance(0.5) ? [4, 4, 4, 4, 3] : [6, 13],
  };
  return length === 13 ? number : groups(number, sizes[length] as number[], joint);
}

function chineseMobile(dice: Dice): string {
  const number = `1${dice.int(3, 9)}${dice.digits(9)}`;
  const spelled = dice.pick([
    () => number,
    () => number,
    () => groups(number, [3, 4, 4], ' '),
    () => groups(number, [3, 4, 4], '-'),
    () => groups(number, [3, 4, 4], '.'),
    () => groups(number, [4, 3, 4], ' '),
    () => groups(number, [3, 3, 5], '-'),
    () => groups(number, [3, 4, 4], ' - '),
  ])();
  return dice.pick(['', '', '', '+86 ', '+86', '86 ', '+86-', '(+86) ', '0086 ', '86-']) + spelled;
}

function chineseLandline(dice: Dice): string {
  const [area, size] = dice.pick<[string, number]>([
    ['010', 8],
    ['021', 8],
    ['020', 8],
    ['028', 8],
    ['0755', 8],
    ['0571', 8],
    ['0431', 8],
    ['0991', 7],
    ['0898', 8],
    ['0451', 8],
    ['0371', 8],
    ['0857', 7],
  ]);
  const local = `${dice.int(2, 8)}${dice.digits(size - 1)}`;
  const split = dice.chance(0.3) ? `${local.slice(0, size - 4)} ${local.slice(size - 4)}` : local;
  return dice.pick([
    () => `${area}-${local}`,
    () => `${area} ${local}`,
    () => `(${area})${local}`,
    () => `（${area}）${split}`,
    () => `${area}${local}`,
    () => `${area}-${local}-${dice.int(10, 9999)}`,
    () => `${area}-${local}转${dice.int(100, 8999)}`,
    () => `+86 ${area.slice(1)} ${split}`,
    () => `+86-${area.slice(1)}-${local}`,
  ])();
}

function foreignPhone(dice: Dice): string {
  const d = dice.digits;
  const area = () => `${dice.int(2, 9)}${d(2)}`;
  return dice.pick([
    () => `+1${area()}${dice.int(2, 9)}${d(6)}`,
    () => `+1 (${area()}) ${dice.int(2, 9)}${d(2)}-${d(4)}`,
    () => `(${area()}) ${dice.int(2, 9)}${d(2)}-${d(4)}`,
    () => `${area()}-${dice.int(2, 9)}${d(2)}-${d(4)}`,
    () => `${area()}.${dice.int(2, 9)}${d(2)}.${d(4)}`,
    () => `1-${area()}-${dice.int(2, 9)}${d(2)}-${d(4)}`,
    () => `+44 20 7${d(3)} ${d(4)}`,
    () => `+44 (0)20 7${d(3)} ${d(4)}`,
    () => `020 7${d(3)} ${d(4)}`,
    () => `07${d(3)} ${d(6)}`,
    () => `+447${d(9)}`,
    () => `+49 151 ${d(8)}`,
    () => `0151 ${d(8)}`,
    () => `030/${d(8)}`,
    () => `+33 6 ${d(2)} ${d(2)} ${d(2)} ${d(2)}`,
    () => `+81-90-${d(4)}-${d(4)}`,
    () => `090-${d(4)}-${d(4)}`,
    () => `03-${d(4)}-${d(4)}`,
    () => `+82 10 ${d(4)} ${d(4)}`,
    () => `+91 9${d(4)} ${d(5)}`,
    () => `+61 4${d(2)} ${d(3)} ${d(3)}`,
    () => `04${d(2)} ${d(3)} ${d(3)}`,
    () => `+886 9${d(2)} ${d(3)} ${d(3)}`,
    () => `+852 ${dice.int(5, 9)}${d(3)} ${d(4)}`,
    () => `+65 ${dice.pick([6, 8, 9])}${d(3)} ${d(4)}`,
    () => `+55 11 9${d(4)}-${d(4)}`,
    () => `+7 9${d(2)} ${d(3)}-${d(2)}-${d(2)}`,
    () => `+3531${d(7)}`,
    () => `${dice.int(2, 9)}${d(2)} ${dice.int(2, 9)}${d(2)} ${d(4)}`,
    () => `0${dice.int(1, 7)} ${d(2)} ${d(2)} ${d(2)} ${d(2)}`,
    () => `9${d(4)} ${d(5)}`,
    () => `+971 50 ${d(3)} ${d(4)}`,
    () => `+34 6${d(2)} ${d(2)} ${d(2)} ${d(2)}`,
    () => `0044 20 7${d(3)} ${d(4)}`,
  ])();
}

function email(dice: Dice): string {
  const name = dice.pick([
    () => dice.chars(LOWER, dice.int(3, 9)),
    () => `${dice.chars(LOWER, 5)}.${dice.chars(LOWER, 6)}`,
    () => `${dice.chars(LOWER, 4)}_${dice.digits(4)}`,
    () => dice.digits(dice.int(6, 10)),
    () => `${dice.chars(UPPER, 1)}${dice.chars(LOWER, 5)}+${dice.chars(LOWER, 4)}`,
    () => `${dice.chars(LOWER, 1)}-${dice.chars(LOWER, 6)}`,
  ])();
  const host = dice.pick(
    'qq.com 163.com gmail.com outlook.com example.org mail.tsinghua.edu.cn firma-nord.de uni.ac.uk startup.io my.co'.split(
      ' ',
    ),
  );
  const parts = host.split('.');
  return dice.pick([
    ...Array.from({ length: 10 }, () => () => `${name}@${host}`),
    () => wide(`${name}@${host}`),
    () => `${name}＠${host}`,
    () => `${name} [at] ${host}`,
    () => `${name}(at)${host}`,
    () => `${name} [at] ${parts.join(' [dot] ')}`,
    () => `${name}(at)${parts.join('(dot)')}`,
    () => `${name.replace(/[+_-]/g, '')} at ${dice.pick(['gmail', 'outlook', 'example'])} dot com`,
    () => `${name}艾特qq点com`,
  ])();
}

function ip(dice: Dice): string {
  const v4 = () =>
    dice.pick([
      () => `192.168.${dice.int(0, 255)}.${dice.int(1, 254)}`,
      () => `10.${dice.int(0, 255)}.${dice.int(0, 255)}.${dice.int(1, 254)}`,
      () => `172.${dice.int(16, 31)}.${dice.int(0, 255)}.${dice.int(1, 254)}`,
      () => [dice.int(1, 223), dice.int(0, 255), dice.int(0, 255), dice.int(1, 254)].join('.'),
    ])();
  const hex = (n: number) => dice.chars('0123456789abcdef', n);
  const group = () => dice.int(1, 0xffff).toString(16);
  return dice.pick([
    v4,
    v4,
    v4,
    v4,
    () => `${v4()}:${dice.int(1, 65535)}`,
    () => `${v4()}/24`,
    () => `http://${v4()}/status`,
    () => `2001:db8:${Array.from({ length: 6 }, () => `${dice.int(1, 9)}${hex(3)}`).join(':')}`,
    () => `2${hex(3)}:${group()}::${group()}`,
    () => `fe80::${group()}:${group()}:${group()}:${group()}`,
    () => `FD${hex(2).toUpperCase()}:${group().toUpperCase()}::${group().toUpperCase()}`,
  ])();
}

function mac(dice: Dice): string {
  const pair = () => dice.chars('0123456789abcdef', 2);
  const pairs = ['b8', '27', ...Array.from({ length: 4 }, pair)];
  const any = Array.from({ length: 6 }, pair);
  // Six pairs without a letter are a time stamp to any reader.
  if (!/[a-f]/.test(any.join(''))) any[0] = 'dc';
  return dice.pick([
    () => any.join(':'),
    () => any.join(':').toUpperCase(),
    () => any.join('-').toUpperCase(),
    () => pairs.join(':'),
    () => groups(any.join(''), [4, 4, 4], '.'),
  ])();
}

function dms(degrees: number, letters: string, style: number): string {
  const whole = Math.floor(degrees);
  const minutes = Math.floor((degrees - whole) * 60);
  const seconds = ((degrees - whole) * 3600 - minutes * 60).toFixed(style % 2);
  const letter = letters[style % 2] as string;
  if (style < 2) return `${whole}°${two(minutes)}'${seconds}"${letter}`;
  if (style < 4) return `${whole}° ${two(minutes)}′ ${seconds}″ ${letter}`;
  return `${whole}°${((degrees - whole) * 60).toFixed(3)}'${letter}`;
}

function coordinates(dice: Dice): string {
  const lat = dice.real(12, 60);
  const lon = dice.real(12, 160);
  const signed = (n: number) => (dice.chance(0.3) ? -n : n);
  const places = dice.int(4, 7);
  const style = dice.int(0, 5);
  return dice.pick([
    () => `${signed(lat).toFixed(places)}, ${signed(lon).toFixed(places)}`,
    () => `${signed(lat).toFixed(places)},${signed(lon).toFixed(places)}`,
    () => `(${lat.toFixed(places)}, ${lon.toFixed(places)})`,
    () => `${lon.toFixed(places)},${lat.toFixed(places)}`,
    () => `${lat.toFixed(places)}，${lon.toFixed(places)}`,
    () => `${dms(lat, 'NS', style)} ${dms(lon, 'EW', style)}`,
    () => `${dms(lat, 'NS', style)}, ${dms(lon, 'EW', style)}`,
    () => `${lat.toFixed(4)}°N, ${lon.toFixed(4)}°E`,
    () => `N${lat.toFixed(5)} E${lon.toFixed(5)}`,
    () => `lat: ${lat.toFixed(3)}, lon: ${lon.toFixed(3)}`,
    () => `{"lat":${lat.toFixed(5)},"lng":${lon.toFixed(5)}}`,
    () => `北纬${lat.toFixed(2)}度，东经${lon.toFixed(2)}度`,
    () =>
      `东经${Math.floor(lon)}°${two(dice.int(0, 59))}′，北纬${Math.floor(lat)}°${two(dice.int(0, 59))}′`,
    () => `${lat.toFixed(5)} ${dice.real(91, 170).toFixed(5)}`,
    () => `geo:${lat.toFixed(5)},${lon.toFixed(5)}`,
  ])();
}

function token(dice: Dice): string {
  const b = (n: number) => dice.chars(BASE62, n);
  const b64 = (text: string) => Buffer.from(text).toString('base64url');
  const jwt = () =>
    `${b64('{"alg":"HS256","typ":"JWT"}')}.${b64(`{"sub":"${dice.digits(8)}","iat":17${dice.digits(8)}}`)}.${b(43)}`;
  return dice.pick([
    () => `sk-${b(48)}`,
    () => `sk-proj-${b(24)}_${b(20)}`,
    () => `sk-ant-api03-${b(40)}-${b(10)}AA`,
    () => `ghp_${b(36)}`,
    () => `github_pat_${b(22)}_${b(59)}`,
    () => `glpat-${b(20)}`,
    () => `AKIA${dice.chars(`${UPPER}234567`, 16)}`,
    () => `AIza${b(35)}`,
    () => `LTAI5t${b(18)}`,
    () => `xoxb-${dice.digits(12)}-${dice.digits(12)}-${b(24)}`,
    () => `hf_${b(34)}`,
    () => `npm_${b(36)}`,
    () => `sk_live_${b(24)}`,
    jwt,
    () => `Authorization: Bearer ${b(32)}`,
    () => `authorization: bearer ${jwt()}`,
    () =>
      `-----BEGIN ${dice.pick(['', 'RSA ', 'EC ', 'OPENSSH ', 'ENCRYPTED '])}PRIVATE KEY-----\n${b(64)}\n${b(64)}\n${b(20)}==\n-----END PRIVATE KEY-----`,
    () => `mqtt://admin:${b(10)}@broker.lan:1883`,
    () => `${b(43)}=`,
    () => b(32),
  ])();
}

const CAT_NAMES = ['Tiger', 'mochi', 'Biscuit', 'lucky', 'Panda', 'xiaobai', 'wangcai'];
const password = (dice: Dice) =>
  dice.pick([
    () => `${dice.pick(CAT_NAMES)}${dice.digits(4)}`,
    () => `${dice.pick(CAT_NAMES)}@${dice.digits(3)}!`,
    () => dice.chars(`${BASE62}!#$%&*?@^_`, dice.int(8, 16)),
    () => `${dice.pick(CAT_NAMES)}-${dice.pick(CAT_NAMES)}-${dice.digits(2)}`,
    () => dice.digits(8),
  ])();

function plate(dice: Dice): string {
  const head = dice.chars('京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼', 1);
  const authority = dice.chars('ABCDEFGH', 1);
  const letter = () => dice.chars('ABCDEFGHJKLMNPQRSTUVWXYZ', 1);
  const tail = dice.pick([
    () => dice.digits(5),
    () => `${letter()}${dice.digits(4)}`,
    () => `${dice.digits(3)}${letter()}${dice.digits(1)}`,
    () => `${letter()}${letter()}${dice.digits(3)}`,
    () => `${dice.digits(4)}${letter()}`,
    () => `${dice.pick(['D', 'F'])}${dice.digits(5)}`,
    () => `${dice.pick(['D', 'F'])}${letter()}${dice.digits(4)}`,
    () => `${dice.digits(5)}${dice.pick(['D', 'F'])}`,
  ])();
  return head + authority + dice.pick(['', '', '·', ' ', '•']) + tail;
}

const passport = (dice: Dice) =>
  dice.pick([
    () => `E${dice.digits(8)}`,
    () => `E${dice.chars('ABCDEFGHJKLMN', 1)}${dice.digits(7)}`,
    () => `G${dice.digits(8)}`,
    () => `C${dice.digits(2)}${dice.chars('FGHJKLM', 1)}${dice.digits(5)}`,
    () => dice.digits(9),
  ])();

function iban(dice: Dice): string {
  const [country, body] = dice.pick<[string, string]>([
    ['DE', dice.digits(18)],
    ['GB', dice.chars(UPPER, 4) + dice.digits(14)],
    ['FR', dice.digits(23)],
    ['NL', dice.chars(UPPER, 4) + dice.digits(10)],
    ['ES', dice.digits(20)],
    ['IT', dice.chars(UPPER, 1) + dice.digits(22)],
    ['CH', dice.digits(17)],
    ['PL', dice.digits(24)],
    ['NO', dice.digits(11)],
  ]);
  const numeric = (text: string) =>
    text
      .split('')
      .map((c) => (c >= 'A' ? String(c.charCodeAt(0) - 55) : c))
      .join('');
  const check = 98n - (BigInt(numeric(`${body}${country}00`)) % 97n);
  const plain = `${country}${two(Number(check))}${body}`;
  return dice.chance(0.5) ? plain : (plain.match(/.{1,4}/g) ?? []).join(' ');
}

export const MAKERS = {
  resident_id: sometimesWide(residentId),
  bank_card: sometimesWide(bankCard),
  chineseMobile: sometimesWide(chineseMobile),
  chineseLandline,
  foreignPhone,
  email,
  ip: sometimesWide(ip),
  mac,
  coordinates,
  token,
  password,
  plate,
  passport,
  iban,
} satisfies Record<string, Maker>;
