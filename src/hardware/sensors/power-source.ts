import type { Reading } from '../reading.ts';

export type PowerKind = 'ina3221' | 'ina2xx' | 'pi-pmic' | 'rapl';

/** One measured line. `where` names its files and keeps its identity when sensors are found anew. */
export type Rail = {
  name: string;
  where: string;
  /** What people should know of it, e.g. the shunt that it goes by. */
  notes: string[];
  /** Watts at `atMs` of the monotonic clock. Never throws, never waits. */
  read(atMs: number): Reading<'w'>;
};

/** What a kind of sensor says at one moment; `boardW` is null where it never gives one. */
export type PowerReading = { rails: Map<string, Reading<'w'>>; boardW: Reading<'w'> | null };

/** All power sensors of one kind on the board. */
export interface PowerSource {
  readonly kind: PowerKind;
  /** True when the board has (or had, since opening) such a sensor. */
  present(): boolean;
  /** Looks for sensors again, and keeps the state of those that are still there. */
  discover(): void;
  read(atMs: number): PowerReading;
  /** True when the last reading found a file gone: time to look again. */
  lost(): boolean;
  rails(): readonly Rail[];
  /** What `boardW` is made of, in words; null without one. */
  covers(): 'board' | 'rails';
  notes(): string[];
  close(): void;
}

/**
 * No running Linux board draws less than this, whole (a stripped Zero 2 W idles at 0.4 W): less is
 * an unplugged or dead sensor, and taking it at its word would open the governor wide.
 */
const LEAST_BOARD_W = 0.1;
/** Above the largest module (AGX Orin, 60 W, with a carrier full of loads). */
const MOST_BOARD_W = 150;
/** Sum of the packages of a development machine. */
export const MOST_MACHINE_W = 1000;

/** Refuses a whole board's power that cannot be one. */
export function plausibleBoard(reading: Reading<'w'>, mostW = MOST_BOARD_W): Reading<'w'> {
  if (!reading.ok || (reading.value >= LEAST_BOARD_W && reading.value <= mostW)) return reading;
  return {
    ok: false,
    reason: `${reading.source}: ${reading.value.toFixed(3)} W is not plausible for a whole board`,
  };
}

/** The sum of named rails, as old as the oldest; one that is missing leaves no sum. */
export function sumOfRails(
  rails: ReadonlyMap<string, Reading<'w'>>,
  names: readonly string[],
  source: string,
): Reading<'w'> {
  let value = 0;
  let ageMs = 0;
  for (const name of names) {
    const rail = rails.get(name);
    if (rail === undefined) return { ok: false, reason: `${source}: no rail ${name}` };
    if (!rail.ok) return rail;
    value += rail.value;
    ageMs = Math.max(ageMs, rail.ageMs);
  }
  return { ok: true, value, unit: 'w', ageMs, quality: 'measured', source };
}

/** Rails' names stand in telemetry and configuration: a label of a megabyte or of control bytes is none. */
const RAIL_NAME = /^[\w .:/@+#()-]{1,48}$/;

export const isRailName = (label: string): boolean => RAIL_NAME.test(label);

/** A hostile tree may offer thousands; no board has more. */
const MOST_RAILS = 48;

/**
 * A source whose rails are files. A rail once seen stays listed: when its files go, it is a reading
 * with a reason, so that nobody takes a lost sensor for a board without one.
 */
export function createRailSource(options: {
  kind: PowerKind;
  find(): Rail[];
  /** Watts of the board out of its rails; null when they say nothing of the whole. */
  board(rails: ReadonlyMap<string, Reading<'w'>>): Reading<'w'> | null;
  covers(rails: readonly Rail[]): 'board' | 'rails';
  notes?(rails: readonly Rail[]): string[];
}): PowerSource {
  const { kind } = options;
  let rails: Rail[] = [];
  const seen = new Set<string>();
  let lost = false;

  return {
    kind,
    present: () => seen.size > 0,
    discover() {
      const before = new Map(rails.map((rail) => [`${rail.name}\n${rail.where}`, rail]));
      const names = new Set<string>();
      rails = [];
      for (const rail of options.find()) {
        // Two chips may carry one label: the second is told apart by its place.
        const name = names.has(rail.name) ? `${rail.name}@${rails.length}` : rail.name;
        names.add(name);
        rails.push(before.get(`${name}\n${rail.where}`) ?? { ...rail, name });
        seen.add(name);
        if (rails.length >= MOST_RAILS) break;
      }
      lost = seen.size > names.size;
    },
    read(atMs) {
      const readings = new Map<string, Reading<'w'>>();
      for (const rail of rails) {
        const reading = rail.read(atMs);
        if (!reading.ok) lost = true;
        readings.set(rail.name, reading);
      }
      for (const name of seen) {
        if (!readings.has(name)) {
          readings.set(name, { ok: false, reason: `${kind}: the sensor of ${name} is gone` });
        }
      }
      return { rails: readings, boardW: options.board(readings) };
    },
    lost: () => lost,
    rails: () => rails,
    covers: () => options.covers(rails),
    notes: () => options.notes?.(rails) ?? [],
    close() {
      rails = [];
    },
  };
}
