/** Sentences with private data in them, in both languages, as devices and people send them. */
import type { Kind } from '../../../src/router/privacy/index.ts';
import { createDice, type Dice } from './dice.ts';
import { type Maker, MAKERS } from './values.ts';

export type Language = 'zh' | 'en';
/** `value` is what must be hidden, `at` where it begins. */
export type Planted = { kind: Kind; language: Language; text: string; value: string; at: number };

type Source = { kind: Kind; language: Language; make: Maker; frames: readonly string[] };

const NAMES = { zh: ['王伟', '李娜', '张敏', '刘洋'], en: ['Anna', 'Mr Lee', 'Tom', 'Dr Ortiz'] };

const SOURCES: Source[] = [
  {
    kind: 'resident_id',
    language: 'zh',
    make: MAKERS.resident_id,
    frames: [
      '我的身份证号是{}，帮我填表',
      '身份证：{}',
      '{n}的身份证号码{}，请核对出生日期',
      '请用{}登记入住，房间温度调到24度',
      '证件号{}。',
      '{"idcard":"{}","name":"{n}"}',
    ],
  },
  {
    kind: 'resident_id',
    language: 'en',
    make: MAKERS.resident_id,
    frames: [
      'My Chinese ID is {}, please check it.',
      'id_number={} for {n}',
      'Verify resident ID {} against the list',
      'The visitor showed {} at the gate at 14:05.',
    ],
  },
  {
    kind: 'bank_card',
    language: 'zh',
    make: MAKERS.bank_card,
    frames: [
      '银行卡号{}，开户行工商银行',
      '请把钱转到{}，户名{n}',
      '卡号：{}',
      '我用尾号的卡{}付款失败了',
      '信用卡 {} 有效期 08/27',
    ],
  },
  {
    kind: 'bank_card',
    language: 'en',
    make: MAKERS.bank_card,
    frames: [
      'Charge {} for the new filter.',
      'Card number: {}, expires 08/27',
      'my visa is {}; is it valid?',
      '{"card":"{}"}',
      'Refund {n} to {} please',
    ],
  },
  {
    kind: 'phone',
    language: 'zh',
    make: MAKERS.chineseMobile,
    frames: [
      '我的手机号是{}，有事打给我',
      '电话{}',
      '请联系{n}{}确认上门时间',
      '快递员{}说十点到',
      '传感器报警时短信通知{}。',
      '打{}找{n}',
    ],
  },
  {
    kind: 'phone',
    language: 'zh',
    make: MAKERS.chineseLandline,
    frames: ['座机{}', '物业电话：{}，有人值班', '拨打{}报修空调', '传真是{}', '办公室{}没人接'],
  },
  {
    kind: 'phone',
    language: 'en',
    make: (dice) =>
      dice.pick([
        MAKERS.foreignPhone,
        MAKERS.foreignPhone,
        MAKERS.foreignPhone,
        MAKERS.chineseMobile,
      ])(dice),
    frames: [
      'Call me at {} when the pump stops.',
      'phone: {}',
      'If the alarm goes off, text {n} on {}.',
      'My number is {}, ask for {n}',
      'Reach the technician under {}.',
      '{"tel":"{}"}',
    ],
  },
  {
    kind: 'email',
    language: 'zh',
    make: MAKERS.email,
    frames: ['邮箱是{}，谢谢', '把日报发到{}', '{n}的邮件地址：{}', '联系{}，不要打电话'],
  },
  {
    kind: 'email',
    language: 'en',
    make: MAKERS.email,
    frames: ['Send the report to {}.', 'email={}', 'Ask {n} <{}> for the key', 'cc {}, thanks'],
  },
  {
    kind: 'ip',
    language: 'zh',
    make: MAKERS.ip,
    frames: ['摄像头地址是{}，连不上', '网关{}丢包严重', '请检查{}的端口', '登录来源：{}'],
  },
  {
    kind: 'ip',
    language: 'en',
    make: MAKERS.ip,
    frames: [
      'The camera at {} is offline',
      'ping {} fails since noon',
      'host={}',
      'Login from {}.',
    ],
  },
  {
    kind: 'mac',
    language: 'zh',
    make: MAKERS.mac,
    frames: ['设备MAC地址{}', '网卡{}掉线了', '蓝牙手环{}，电量低', '把{}加入白名单'],
  },
  {
    kind: 'mac',
    language: 'en',
    make: MAKERS.mac,
    frames: [
      'Device {} left the network',
      'mac={}',
      'Block {} on the access point.',
      'BSSID {} is weak',
    ],
  },
  {
    kind: 'coordinates',
    language: 'zh',
    make: MAKERS.coordinates,
    frames: ['我的位置{}，附近有加油站吗', '坐标：{}', '车停在{}', '导航到{}', '无人机在{}失联'],
  },
  {
    kind: 'coordinates',
    language: 'en',
    make: MAKERS.coordinates,
    frames: [
      'I am at {}, what is near?',
      'gps {}',
      'The tracker stopped at {}.',
      'Drone lost near {}',
    ],
  },
  {
    kind: 'secret',
    language: 'zh',
    make: MAKERS.token,
    frames: ['我的密钥是 {} ，帮我写请求', '用{}调用接口报错', '日志里有 {} 这一行', '配置：{}'],
  },
  {
    kind: 'secret',
    language: 'zh',
    make: MAKERS.password,
    frames: [
      '密码是{}，记一下',
      'WiFi密码：{}',
      '登录口令为{}。',
      '把门禁密码改成{}',
      '管理员密码={}',
      '用户名admin，密码{}',
      '密码 {}',
    ],
  },
  {
    kind: 'secret',
    language: 'en',
    make: MAKERS.token,
    frames: ['Why does {} get a 401?', 'curl with {} fails', 'env has {} in it', 'leaked: {}'],
  },
  {
    kind: 'secret',
    language: 'en',
    make: MAKERS.password,
    frames: [
      'password: {}',
      'DB_PASSWORD={}',
      '{"password":"{}","user":"root"}',
      'The wifi passphrase is "{}", join it',
      "pwd='{}'",
      'api_key = {}',
      'mysql --password {} -u root',
    ],
  },
  {
    kind: 'plate',
    language: 'zh',
    make: MAKERS.plate,
    frames: ['车牌{}，请放行', '{}停在B2层', '登记访客车辆：{}', '我的车{}违章了吗'],
  },
  {
    kind: 'plate',
    language: 'en',
    make: MAKERS.plate,
    frames: ['Open the gate for {} please', 'plate={}', 'Car {} left at 9.'],
  },
  {
    kind: 'passport',
    language: 'zh',
    make: MAKERS.passport,
    frames: ['护照号{}，帮我值机', '护照：{}', '我的护照号码是{}。'],
  },
  {
    kind: 'passport',
    language: 'en',
    make: MAKERS.passport,
    frames: ['Passport number {} expires soon', 'passport: {}', 'my passport is {}, check in {n}'],
  },
  {
    kind: 'iban',
    language: 'zh',
    make: MAKERS.iban,
    frames: ['汇款到{}，收款人{n}', 'IBAN：{}', '欧洲账户是{}。'],
  },
  {
    kind: 'iban',
    language: 'en',
    make: MAKERS.iban,
    frames: ['Transfer 20 EUR to {}', 'IBAN {} belongs to {n}', 'refund to {}, today'],
  },
];

/** `count` texts, every source in turn, so that each kind has its share in both languages. */
export function plantedTexts(count: number, seed: number): Planted[] {
  const dice = createDice(seed);
  return Array.from({ length: count }, (_, at) =>
    plant(SOURCES[at % SOURCES.length] as Source, dice),
  );
}

function plant({ kind, language, make, frames }: Source, dice: Dice): Planted {
  const whole = make(dice);
  const frame = dice.pick(frames).replace('{n}', dice.pick(NAMES[language]));
  const [head = '', foot = ''] = frame.split('{}');
  const value = essence(kind, whole);
  return {
    kind,
    language,
    text: head + whole + foot,
    value,
    at: head.length + whole.indexOf(value),
  };
}

/** Without what stands around it: a port, a scheme, the word Bearer. */
function essence(kind: Kind, whole: string): string {
  if (kind === 'ip') {
    const plain = whole.normalize('NFKC');
    const host = /^http:\/\/([^/]+)/.exec(plain)?.[1] ?? plain.split('/')[0] ?? '';
    const bare = /^\d+\.\d+\.\d+\.\d+/.exec(host)?.[0] ?? host;
    const start = plain.indexOf(bare);
    return whole.slice(start, start + bare.length);
  }
  if (kind === 'secret') return /(?:earer |admin:)([^@\s]+)/.exec(whole)?.[1] ?? whole;
  return whole;
}
