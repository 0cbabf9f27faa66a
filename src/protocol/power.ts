/**
 * What a sensor says: a value with its unit, its age and how it came about, or the reason why there
 * is none. There is no magic number for "unknown": whoever decides must handle the reason, and an
 * unknown temperature or power always means less work, never more.
 */
export type Reading<Unit extends string = string> =
  | { ok: true; value: number; unit: Unit; ageMs: number; quality: ReadingQuality; source: string }
  | { ok: false; reason: string };

/** `measured` by a sensor of the quantity itself, or `estimated` from others and a device profile. */
export type ReadingQuality = 'measured' | 'estimated';

export type PowerScope = 'above_idle' | 'rail' | 'board';

/** Everything that the board's sensors say at one moment; hardware makes it, the governor judges it. */
export type BoardSample = {
  /** Monotonic milliseconds at which it was taken. */
  atMs: number;
  /**
   * All that the board draws, watts, or all that its sensor sees of it where idle power is known in the
   * same terms (Pi 5: the sum of its power chip's rails); `source` says which. Single rails are none.
   */
  boardW: Reading<'w'>;
  /** Power of each named rail, watts. */
  railsW: Record<string, Reading<'w'>>;
  socC: Reading<'c'>;
  /** What firmware or kernel does to slow the board down right now, e.g. `freq_capped`, `soft_temp`. */
  throttled: string[];
  /** Null when nobody can tell. */
  underVoltage: boolean | null;
  /** Over-current and throttle events since the last sample (deltas, not totals). */
  throttleEvents: number;
  /** Clock of the cores now, kHz; null when it cannot be read. */
  freqKhz: number | null;
  /** CPU time that the daemon's process tree has used so far, seconds; what the power model goes by. */
  treeCpuS: number | null;
};

/** What the actuators can be told. */
export type ActuatorOrder = {
  /** Threads of the engine. */
  threads: number;
  /** Upper bound of the clock, kHz; null leaves it as it was found. */
  maxFreqKhz: number | null;
};

/** One way to run the engine and what it costs, above idle, for one model. */
export type OperatingPoint = {
  threads: number;
  freqKhz: number | null;
  batch: number;
  decodeTokensPerS: number;
  prefillTokensPerS: number | null;
  /** Above idle, while decoding. */
  watts: number;
  /** Above idle, while prefilling; absent where nobody has measured it. */
  prefillWatts?: number;
  estimated: boolean;
};

/** Energy of one answer, so far: split over the steps that were its own. */
export type EnergyShare = { joules: number; measured: boolean };
