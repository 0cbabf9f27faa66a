/** What devices say all day and what is nobody's: hard to tell from private data, and to be left alone. */
import { createDice, type Dice } from './dice.ts';

export type Negative = { family: string; text: string };
type Family = { family: string; make: (dice: Dice) => string };

const two = (n: number) => String(n).padStart(2, '0');
const hex = (dice: Dice, n: number) => dice.chars('0123456789abcdef', n);

const date = (dice: Dice) =>
  `20${dice.int(20, 27)}-${two(dice.int(1, 12))}-${two(dice.int(1, 28))}`;
const time = (dice: Dice) =>
  `${two(dice.int(0, 23))}:${two(dice.int(0, 59))}:${two(dice.int(0, 59))}`;
const topic = (dice: Dice) =>
  dice.pick([
    () => `twowatt/v1/pi-${hex(dice, 4)}/telemetry`,
    () => `home/livingroom/sensor${dice.int(1, 99)}/temperature`,
    () => `zigbee2mqtt/0x00158d${hex(dice, 10)}/state`,
    () => `factory/line-${dice.int(1, 20)}/plc/${dice.int(1000, 9999)}/alarm`,
  ])();

const FAMILIES: Family[] = [
  {
    family: 'readings',
    make: (dice) => {
      const [t, h, p] = [
        dice.real(-20, 45).toFixed(2),
        dice.real(10, 95).toFixed(1),
        dice.real(950, 1040).toFixed(2),
      ];
      return dice.pick([
        `温度${t}℃，湿度${h}%，气压${p}hPa，正常吗`,
        `temp ${t} C, humidity ${h} %, pressure ${p} hPa`,
        `{"t":${t},"h":${h},"p":${p}}`,
        `电压 ${dice.real(3, 5).toFixed(4)} V, 电流 ${dice.real(0.1, 3).toFixed(4)} A`,
        `accel ${dice.real(-2, 2).toFixed(4)}, ${dice.real(-2, 2).toFixed(4)}, ${dice.real(9, 10).toFixed(4)}`,
        `adc ${dice.int(1000, 4095)} ${dice.int(1000, 4095)} ${dice.int(1000, 4095)} ${dice.int(1000, 4095)} ${dice.int(1000, 4095)}`,
        `读数：${t}, ${h}`,
        `pid kp=${dice.real(0, 9).toFixed(4)}, ki=${dice.real(0, 1).toFixed(4)}, kd=${dice.real(0, 1).toFixed(4)}`,
        `energy ${dice.int(100000, 99999999)} Wh since start`,
        `delta +${dice.real(0, 99).toFixed(7)} mm`,
      ]);
    },
  },
  {
    family: 'time stamps',
    make: (dice) => {
      const epoch = dice.int(1_500_000_000, 1_800_000_000);
      return dice.pick([
        `上次重启 ${date(dice)} ${time(dice)}`,
        `last seen ${date(dice)}T${time(dice)}+08:00`,
        `ts=${epoch} value=${dice.int(0, 100)}`,
        `timestamp ${epoch}${dice.digits(3)} ms`,
        `时间戳${epoch}${dice.digits(6)}`,
        `"ts":${epoch}${dice.digits(9)}`,
        `log-${date(dice).replaceAll('-', '')}${time(dice).replaceAll(':', '')}.txt`,
        `backup_${two(dice.int(20, 27))}-${two(dice.int(1, 12))}-${two(dice.int(1, 28))}-${time(dice).replaceAll(':', '-')}.tar`,
        `从${date(dice)}到${date(dice)}的用电量`,
        `${two(dice.int(1, 28))}-${two(dice.int(1, 12))}-2026 ${time(dice)} pump on`,
        `${epoch}${dice.digits(3)},${dice.real(0, 50).toFixed(1)}`,
      ]);
    },
  },
  {
    family: 'versions',
    make: (dice) => {
      const n = () => dice.int(0, 30);
      return dice.pick([
        `固件版本${n()}.${n()}.${n()}.${n()}有更新吗`,
        `firmware ${n()}.${n()}.${n()}.${n()} installed`,
        `v${n()}.${n()}.${n()}-rc.${n()}`,
        `version ${dice.int(1, 12)}.${n()}.${dice.int(1000, 9999)}.${n()} is out`,
        `upgraded from version ${n()}.${n()}.${n()}.${n()} to ${n()}.${n()}.${n()}.${n()}`,
        `kernel ${dice.int(5, 6)}.${n()}.${n()}-v8+`,
        `react@${n()}.${n()}.${n()}`,
        `npm i onnxruntime-node@1.${n()}.${n()}`,
        `OID 1.3.6.1.4.1.${dice.int(1, 9999)}.${n()}`,
        `see section ${dice.int(1, 9)}.${dice.int(1, 9)}.${dice.int(1, 9)}.${dice.int(1, 9)}`,
        `升级到${n()}.${n()}.${n()}`,
      ]);
    },
  },
  {
    family: 'serials',
    make: (dice) =>
      dice.pick([
        `传感器序列号SN${dice.digits(12)}离线`,
        `serial ${dice.digits(16)} reports low battery`,
        `S/N: ${dice.chars('ABCDEFGHJKLMNPQRSTUVWXYZ', 2)}${dice.digits(10)}`,
        `1-wire id 28-0000${hex(dice, 8)}`,
        `IMEI 35${dice.digits(13)}`,
        `ICCID 8986${dice.digits(16)}`,
        `model ESP32-WROOM-32D-N${dice.int(4, 16)}`,
        `设备编号${dice.digits(11)}`,
        `part 0042-${dice.digits(4)}-${dice.digits(4)}`,
        `uuid ${hex(dice, 8)}-${hex(dice, 4)}-4${hex(dice, 3)}-a${hex(dice, 3)}-${hex(dice, 12)}`,
        `commit ${hex(dice, 40)}`,
        `sha256 ${hex(dice, 64)}`,
        `node id 0x${hex(dice, 16)}`,
      ]),
  },
  {
    family: 'orders',
    make: (dice) =>
      dice.pick([
        `订单号${dice.digits(11)}什么时候到`,
        `订单编号：${dice.digits(18)}`,
        `order ${dice.digits(16)} is late`,
        `order no. 1${dice.int(3, 9)}${dice.digits(9)}`,
        `运单号SF${dice.digits(13)}`,
        `tracking number ${dice.digits(12)}`,
        `invoice ${date(dice).replaceAll('-', '')}${dice.digits(8)}`,
        `工单${dice.digits(10)}已关闭`,
        `ticket #${dice.digits(8)}`,
        `商品条码69${dice.digits(11)}`,
        `流水号${date(dice).replaceAll('-', '')}${dice.digits(10)}`,
      ]),
  },
  {
    family: 'topics and paths',
    make: (dice) =>
      dice.pick([
        `订阅${topic(dice)}`,
        `publish to ${topic(dice)}`,
        `/sys/class/hwmon/hwmon${dice.int(0, 9)}/temp${dice.int(1, 9)}_input`,
        `std::vector<int>::iterator it`,
        `https://docs.example.org/v${dice.int(1, 9)}/guide?page=${dice.int(1, 500)}`,
        `git@github.com:acme/board-${dice.int(1, 99)}.git`,
        `ssh pi@raspberrypi`,
        `docker pull acme/edge@sha256:${hex(dice, 64)}`,
        `http://localhost:${dice.int(1000, 9999)}/healthz on 127.0.0.1`,
        `netmask 255.255.255.0, listen on 0.0.0.0`,
        `TwowattGatewayConnectionSupervisorFactory${dice.int(1, 99)}`,
        `src/router/privacy/placeholderReader${dice.int(1, 9)}.ts`,
      ]),
  },
  {
    family: 'commands',
    make: (dice) =>
      dice.pick([
        `把客厅的灯调到${dice.int(1, 100)}%`,
        `${dice.int(5, 55)}分钟后关闭风扇`,
        `set the thermostat to ${dice.real(16, 28).toFixed(1)} degrees`,
        `GPIO pin: ${dice.int(2, 27)}`,
        `baud ${dice.pick([9600, 115200, 921600])}, 8N1`,
        `modbus 01 03 00 ${two(dice.int(0, 99))} 00 ${two(dice.int(0, 99))}`,
        `duty ${dice.int(0, 255)} ${dice.int(0, 255)} ${dice.int(0, 255)}`,
        `frequency ${dice.int(1_000_000_000, 5_900_000_000)} Hz`,
        `电机转到${dice.int(0, 359)}°${dice.int(0, 59)}'`,
        `计算 ${dice.int(1000, 9999)} × ${dice.int(1000, 9999)}`,
        `count 1${dice.int(3, 9)}${dice.digits(9)} pulses`,
        `累计脉冲1${dice.int(3, 9)}${dice.digits(9)}次`,
      ]),
  },
  {
    family: 'words about secrets',
    make: (dice) =>
      dice.pick([
        '密码忘了怎么办',
        '密码错误，请重试',
        'How do I reset my password?',
        'password is required',
        'password: must have 8 characters or more'.replace('must', '<must>'),
        `max_tokens: ${dice.int(16, 4096)}`,
        `the token limit is ${dice.int(100, 9000)} tokens`,
        'token expired, please log in again',
        '什么是API密钥',
        `生成${dice.int(8, 32)}位的密码`,
        'password=${PASSWORD}',
        'api_key: <your-api-key>',
        'secret: null',
        'the private key is stored in a file',
        '我的手机电量只有12%',
        `phone battery ${dice.int(1, 100)}%, screen 6.1 inch`,
        'the card reader is offline',
        '身份证怎么办理',
        `新A股指数${dice.int(2800, 3600)}点`,
        'passport control is on the left',
      ]),
  },
  {
    family: 'numbers in prose',
    make: (dice) =>
      dice.pick([
        `人口${dice.int(1_000_000, 1_400_000_000)}`,
        `the array has ${dice.int(1_000_000, 99_999_999)} entries`,
        `圆周率3.14159265358979`,
        `price ${dice.int(1, 9999)}.${dice.digits(2)} EUR, was ${dice.int(1, 9999)}.00`,
        `coefficients ${dice.real(0, 2).toFixed(6)}, ${dice.real(0, 2).toFixed(6)}`,
        `score 3:2, 21-19, 15-21`,
        `ISBN 978-7-${dice.digits(3)}-${dice.digits(5)}-${dice.digits(1)}`,
        `resolution 1920x1080, ratio 16:9`,
        `pages ${dice.int(100, 400)}-${dice.int(401, 900)}, chapter ${dice.int(1, 20)}`,
        `第${dice.int(1, 99)}届，共${dice.int(1000, 99999)}人`,
        `2^${dice.int(30, 60)} = ${2 ** dice.int(30, 52)}`,
        `比例 ${dice.real(0, 1).toFixed(4)} / ${dice.real(0, 1).toFixed(4)}`,
      ]),
  },
];

export function negativeTexts(count: number, seed: number): Negative[] {
  const dice = createDice(seed);
  return Array.from({ length: count }, (_, at) => {
    const { family, make } = FAMILIES[at % FAMILIES.length] as Family;
    return { family, text: make(dice) };
  });
}
