import type { Reading } from '../reading.ts';
import { isRailName, plausibleBoard, type PowerSource, type Rail } from './power-source.ts';
import type { FirmwareAnswer, Vcgencmd } from './vcgencmd.ts';

export const PMIC_COMMAND = 'pmic_read_adc';

/** VDD_CORE, the largest rail, is fed by stages of together 20 A; small offsets below zero happen. */
const LOWEST_A = -0.05;
const HIGHEST_A = 20;
/** All rails with a current hang behind 5 V (HDMI is the highest). */
const HIGHEST_V = 6;
/** Three readings missed in a row, and a bit: whoever paces by these must know. */
const OLDEST_MS = 2_500;

/** `   VDD_CORE_A current(7)=0.56259000A` and `   VDD_CORE_V volt(15)=0.76798460V`. */
const LINE = /^\s*(\w{1,32})_([AV]) (current|volt)\(\d{1,3}\)=(-?\d{1,4}\.\d{1,10})([AV])\s*$/;

/**
 * Watts by rail out of what `pmic_read_adc` prints, pairing current and voltage by the rail's name.
 * Rails with a voltage only (EXT5V, BATT) have no watts and are left out. A string says what is wrong.
 */
export function parsePmic(text: string): Map<string, number> | string {
  const amperes = new Map<string, number>();
  const volts = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, rail, suffix, word, number, unit] = LINE.exec(line) ?? [];
    if (rail === undefined || suffix !== unit) continue;
    if (word === 'current' && suffix === 'A') amperes.set(rail, Number(number));
    if (word === 'volt' && suffix === 'V') volts.set(rail, Number(number));
  }
  const watts = new Map<string, number>();
  for (const [rail, current] of amperes) {
    const voltage = volts.get(rail);
    if (voltage === undefined) return `rail ${rail} has a current and no voltage`;
    if (current < LOWEST_A || current > HIGHEST_A)
      return `rail ${rail}: ${current} A is not plausible`;
    if (voltage < 0 || voltage > HIGHEST_V) return `rail ${rail}: ${voltage} V is not plausible`;
    if (isRailName(rail)) watts.set(rail, Math.max(0, current * voltage));
  }
  return watts.size === 0 ? 'no rail among what it printed' : watts;
}

/**
 * The Pi 5's power chip, through the firmware tool. It has no sensor at the 5 V input: `boardW` is the
 * sum of the rails behind it, without USB, HATs and the converters' own losses, and says so.
 */
export function createPiPmic(options: { vcgencmd: Vcgencmd }): PowerSource {
  const { vcgencmd } = options;
  const answer = vcgencmd.watch(PMIC_COMMAND, 500);
  let parsedFrom: FirmwareAnswer | undefined;
  let parsed: Map<string, number> | string = 'no answer yet';
  const seen = new Set<string>();

  function current(): { watts: Map<string, number>; askedAtMs: number } | string {
    const last = answer();
    if (!last.ok) return last.reason;
    if (last !== parsedFrom) {
      parsedFrom = last;
      parsed = parsePmic(last.text);
    }
    return typeof parsed === 'string'
      ? `vcgencmd: ${parsed}`
      : { watts: parsed, askedAtMs: last.askedAtMs };
  }

  function read(atMs: number): { rails: Map<string, Reading<'w'>>; boardW: Reading<'w'> } {
    const rails = new Map<string, Reading<'w'>>();
    const now = current();
    const ageMs = typeof now === 'string' ? 0 : Math.max(0, atMs - now.askedAtMs);
    if (typeof now === 'string' || ageMs > OLDEST_MS) {
      const reason =
        typeof now === 'string' ? now : `vcgencmd: the last answer is ${Math.round(ageMs)} ms old`;
      for (const name of seen) rails.set(name, { ok: false, reason });
      return { rails, boardW: { ok: false, reason } };
    }
    let sum = 0;
    for (const [name, value] of now.watts) {
      seen.add(name);
      sum += value;
      const source = `pi-pmic ${name}`;
      rails.set(name, { ok: true, value, unit: 'w', ageMs, quality: 'measured', source });
    }
    for (const name of seen) {
      if (!rails.has(name)) rails.set(name, { ok: false, reason: `pi-pmic: ${name} is gone` });
    }
    const source = `pi-pmic, sum of ${now.watts.size} rails`;
    const boardW = plausibleBoard({
      ok: true,
      value: sum,
      unit: 'w',
      ageMs,
      quality: 'measured',
      source,
    });
    return { rails, boardW };
  }

  return {
    kind: 'pi-pmic',
    // Until the firmware refuses the command, the board is taken to have the chip.
    present: () => !vcgencmd.unknown(PMIC_COMMAND),
    discover() {},
    read,
    lost: () => false,
    rails: () =>
      [...seen].map((name): Rail => ({
        name,
        where: `vcgencmd ${PMIC_COMMAND}`,
        notes: [],
        read: (atMs) =>
          read(atMs).rails.get(name) ?? { ok: false, reason: `pi-pmic: ${name} is gone` },
      })),
    covers: () => 'rails',
    notes() {
      const now = current();
      return [
        'sum of the rails behind the power chip: USB ports, HATs on 5 V and its own losses are not in it',
        'read at most twice a second, so each value stands for half a second',
        ...(typeof now === 'string' ? [now] : []),
      ];
    },
    close() {},
  };
}
