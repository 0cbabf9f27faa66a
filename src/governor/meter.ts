import type { BoardSample, Reading } from '../protocol/index.ts';
import type { GovernorBoard, GovernorSettings } from './types.ts';

export type MeterStatus = 'ok' | 'missing' | 'stale' | 'implausible';

/** A reading older than three of the sensor's own periods is stale, within these bounds. */
const STALE_MS = { least: 750, most: 3000 };
/** A value that stays the same to the last bit so long, and does not fit the load, is frozen. */
const FROZEN_MS = 5000;
/** The idle baseline may move this far from the profile's, and so slowly. */
const IDLE = { reach: 0.3, settleS: 60 };

type Sight = { ok: true; watts: number; idleW: number; ageMs: number; source: string };

/**
 * Makes of a board's sample one figure: watts in the scope, and above the idle baseline. It judges the
 * sensor: missing, stale, frozen and absurd values are no readings.
 */
export class PowerMeter {
  #settings: GovernorSettings;
  readonly #board: GovernorBoard;
  readonly #ceilingW: number;
  /** Learnt idle watts over the profile's, by sensor. */
  readonly #idle = new Map<string, { factor: number; seconds: number }>();
  #seen: (Sight & { atMs: number }) | undefined;
  #problem: { status: MeterStatus; reason: string } = {
    status: 'missing',
    reason: 'no sample yet',
  };
  #everRead = false;
  #periodMs = 100;
  #readAtMs = -Infinity;
  #value = NaN;
  #sameSinceMs = 0;

  constructor(settings: GovernorSettings, board: GovernorBoard, idle?: Record<string, number>) {
    this.#settings = settings;
    this.#board = board;
    const busiest = Math.max(
      0,
      board.coreWatts(board.cores, null) || 0,
      ...board.points.map((point) => point.watts || 0),
    );
    this.#ceilingW = 3 * (Math.max(0, board.idleW) || 0) + 5 * busiest + 5;
    for (const [key, factor] of Object.entries(idle ?? {})) {
      this.#idle.set(key, { factor, seconds: IDLE.settleS });
    }
  }

  update(settings: GovernorSettings): void {
    this.#settings = settings;
  }

  /** Learnt idle factors, by sensor. */
  learnt(): Record<string, number> {
    return Object.fromEntries([...this.#idle].map(([key, { factor }]) => [key, factor]));
  }

  /** When the sensor took the last reading. */
  get readAtMs(): number {
    return this.#readAtMs;
  }

  /** The value has been the same to the last bit for so long. */
  sameForMs(nowMs: number): number {
    return nowMs - this.#sameSinceMs;
  }

  /**
   * `expectedW` is what the model thinks the work draws at present; `idle` is true only when nothing
   * has run for a while. Returns watts above idle, or null when this sample tells nothing.
   */
  observe(sample: BoardSample, expectedW: number, idle: boolean): number | null {
    const sight = this.#look(sample);
    if (!sight.ok) {
      this.#problem = sight;
      this.#seen = undefined;
      return null;
    }
    const readAtMs = sample.atMs - sight.ageMs;
    if (readAtMs > this.#readAtMs) {
      const gap = readAtMs - this.#readAtMs;
      if (Number.isFinite(gap)) this.#periodMs += (Math.min(gap, 2000) - this.#periodMs) * 0.1;
      this.#readAtMs = readAtMs;
    }
    if (sight.watts !== this.#value) {
      this.#value = sight.watts;
      this.#sameSinceMs = sample.atMs;
    }
    const previousMs = this.#seen?.atMs;
    this.#everRead = true;
    this.#seen = { ...sight, atMs: sample.atMs };
    if (sight.ageMs > this.#staleMs()) {
      this.#problem = {
        status: 'stale',
        reason: `the last reading of ${sight.source} is ${Math.round(sight.ageMs)} ms old`,
      };
      this.#seen = undefined;
      return null;
    }
    const workW = sight.watts - sight.idleW;
    const off = Math.abs(workW - expectedW) - 0.2;
    if (
      sample.atMs - this.#sameSinceMs > FROZEN_MS &&
      off > 0.35 * Math.max(expectedW, Math.abs(workW))
    ) {
      this.#problem = {
        status: 'implausible',
        reason: `${sight.source} stays at ${sight.watts.toFixed(3)} W while the load has changed`,
      };
      this.#seen = undefined;
      return null;
    }
    this.#problem = { status: 'ok', reason: '' };
    if (idle && previousMs !== undefined) this.#trackIdle(sight, sample.atMs - previousMs);
    return workW;
  }

  status(nowMs: number): { status: MeterStatus; reason: string; everRead: boolean } {
    const everRead = this.#everRead;
    if (this.#seen !== undefined) {
      const ageMs = nowMs - this.#seen.atMs + this.#seen.ageMs;
      if (ageMs > this.#staleMs()) {
        const reason = `the last reading of ${this.#seen.source} is ${Math.round(ageMs)} ms old`;
        return { status: 'stale', reason, everRead };
      }
    }
    return { ...this.#problem, everRead };
  }

  /** The idle baseline of what the scope counts. */
  idleW(): number {
    if (this.#seen !== undefined) return this.#seen.idleW;
    const { scope, rail } = this.#settings;
    return scope === 'rail' && this.#board.idleRailW?.[rail] !== undefined
      ? this.#idleOf(`rail ${rail}`, this.#board.idleRailW[rail])
      : this.#idleOf('board', this.#board.idleW);
  }

  /** Power in scope, by the sensor. */
  reading(nowMs: number): Reading<'w'> {
    const { status, reason } = this.status(nowMs);
    if (status !== 'ok' || this.#seen === undefined) return { ok: false, reason };
    const { watts, idleW, source, ageMs, atMs } = this.#seen;
    return {
      ok: true,
      value: this.#settings.scope === 'above_idle' ? watts - idleW : watts,
      unit: 'w',
      ageMs: ageMs + Math.max(0, nowMs - atMs),
      quality: 'measured',
      source,
    };
  }

  #staleMs(): number {
    return Math.min(STALE_MS.most, Math.max(STALE_MS.least, 3 * this.#periodMs));
  }

  #idleOf(key: string, profileW: number): number {
    return (Number.isFinite(profileW) ? profileW : 0) * (this.#idle.get(key)?.factor ?? 1);
  }

  #look(sample: BoardSample): Sight | { ok: false; status: MeterStatus; reason: string } {
    const { scope, rail } = this.#settings;
    if (scope === 'rail') {
      const reading = sample.railsW[rail];
      if (reading === undefined) {
        return { ok: false, status: 'missing', reason: `no sensor reads a rail named ${rail}` };
      }
      return this.#judge(reading, `rail ${rail}`, this.#board.idleRailW?.[rail] ?? 0);
    }
    if (sample.boardW.ok || scope === 'board') {
      return this.#judge(sample.boardW, 'board', this.#board.idleW);
    }
    return this.#sumOfRails(sample);
  }

  /** Work that is seen on rails only is still seen: each rail less its own idle. */
  #sumOfRails(sample: BoardSample): Sight | { ok: false; status: MeterStatus; reason: string } {
    let total: Sight | undefined;
    for (const [name, reading] of Object.entries(sample.railsW)) {
      const idleW = this.#board.idleRailW?.[name];
      if (idleW === undefined) continue;
      const sight = this.#judge(reading, `rail ${name}`, idleW);
      if (!sight.ok) return sight;
      total = {
        ok: true,
        watts: (total?.watts ?? 0) + sight.watts,
        idleW: (total?.idleW ?? 0) + sight.idleW,
        ageMs: Math.max(total?.ageMs ?? 0, sight.ageMs),
        source: total === undefined ? sight.source : `${total.source}, ${name}`,
      };
    }
    if (total !== undefined) return total;
    const reason = sample.boardW.ok ? 'no sensor' : sample.boardW.reason;
    return { ok: false, status: 'missing', reason };
  }

  #judge(
    reading: Reading<'w'>,
    key: string,
    profileIdleW: number,
  ): Sight | { ok: false; status: MeterStatus; reason: string } {
    if (!reading.ok) return { ok: false, status: 'missing', reason: reading.reason };
    const { value, source } = reading;
    const absurd = (why: string) =>
      ({ ok: false, status: 'implausible', reason: `${source} says ${value} W: ${why}` }) as const;
    if (!Number.isFinite(value)) return absurd('not a number');
    if (value < 0) return absurd('below zero');
    if (value > this.#ceilingW) return absurd('more than this board can draw');
    if (key === 'board' && value < 0.3 * this.#board.idleW) {
      return absurd('far below what the board draws idle');
    }
    const ageMs = Number.isFinite(reading.ageMs) ? Math.max(0, reading.ageMs) : Infinity;
    return { ok: true, watts: value, idleW: this.#idleOf(key, profileIdleW), ageMs, source };
  }

  #trackIdle(sight: Sight, elapsedMs: number): void {
    const { scope, rail } = this.#settings;
    const key = scope === 'rail' ? `rail ${rail}` : 'board';
    if (!(sight.idleW > 0) || (key === 'board' && sight.source.includes(', '))) return;
    const known = this.#idle.get(key) ?? { factor: 1, seconds: 0 };
    const seconds = Math.min(1, Math.max(0, elapsedMs) / 1000);
    known.seconds = Math.min(IDLE.settleS, known.seconds + seconds);
    const wanted = (sight.watts / sight.idleW) * known.factor;
    // Something else runs on the board: that is no baseline.
    if (Math.abs(wanted - 1) > IDLE.reach) return;
    known.factor += (wanted - known.factor) * Math.min(1, seconds / Math.max(1, known.seconds));
    this.#idle.set(key, known);
  }
}
