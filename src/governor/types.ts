import type {
  ActuatorOrder,
  BoardSample,
  EnergyShare,
  HealthCode,
  OperatingPoint,
  PowerScope,
  Reading,
} from '../protocol/index.ts';

/** One limit on the mean power: over `seconds` it may pass the budget by `overPct` per cent. */
export type PowerWindow = { seconds: number; overPct: number };

/** What the operator asks for; all of it may change while running. */
export type GovernorSettings = {
  budgetW: number;
  scope: PowerScope;
  /** Rail that the scope `rail` counts. */
  rail: string;
  /** Watt hours that inference may use in 24 hours; 0: no such limit. */
  energyWhPerDay: number;
  windows: readonly PowerWindow[];
  /** Seconds of budget that may be saved up while idle; more than the windows allow is not granted. */
  burstWindowS: number;
  temperatureLimitC: number;
};

/** What the device profile (and a calibration over it) knows of the board. */
export type GovernorBoard = {
  /** All that the board draws while idle. */
  idleW: number;
  /** The same for each rail that the profile names. */
  idleRailW?: Readonly<Record<string, number>>;
  points: readonly OperatingPoint[];
  /** Watts above idle of `threads` busy cores together, by the profile; null: whatever clock they run at. */
  coreWatts(threads: number, freqKhz: number | null): number;
  /** Joules for each byte that comes from memory. */
  energyJPerByte: number;
  /** Temperature at which firmware or kernel slows the board down by itself. */
  throttleC: number;
  cores: number;
};

/** What predictions go by before anything was learnt. */
export type GovernorModel = {
  /** Bytes read from memory for each decoded token: about the weights. */
  bytesPerToken: number;
  parameters?: number;
  /** Bytes of key/value cache that each position in it adds to a step. */
  cacheBytesPerPosition?: number;
};

/** One run of the graph; the same shape as the engine's gate has it. */
export type GovernorStep = {
  phase: 'prefill' | 'decode';
  /** Tokens that go through the layers. */
  rows: number;
  /** Tokens of the sequence that are in the cache before it. */
  position: number;
};

/** A step that has run. */
export type StepTaken = GovernorStep & {
  durationMs: number;
  /**
   * CPU time that it took on all threads, with what was done around it, ms. Cores that wait for another
   * program's turn, or spin on after the step, make this another figure than duration times threads.
   */
  cpuMs?: number;
};

export type Grant = { kind: 'run' } | { kind: 'wait'; untilMs: number };

export type GovernorState = 'open' | 'pacing' | 'hot' | 'paused';

export type GovernorCondition = { code: HealthCode; text: string };

export type MeanWatts = { s1: number | null; s10: number | null; s60: number | null };

export type Decision = {
  /**
   * `open`: nothing holds steps back. `pacing`: the budget does. `hot`: temperature lowers the budget.
   * `paused`: no step is granted; the conditions say why.
   */
  state: GovernorState;
  /** Why there is a pause, in the terms of the errors with which prompts then end; null otherwise. */
  pausedBy: 'power' | 'thermal' | null;
  point: OperatingPoint | null;
  order: ActuatorOrder;
  /** Rows of a prefill chunk, at most 128, so that one chunk is a short and cheap step on this board. */
  chunkRows: number;
  /** What steps may draw above idle at present, watts: the budget in its scope less idle, guard and limits. */
  effectiveBudgetW: number;
  /** Decoded tokens each second that the budget buys at this point. */
  allowedTokensPerS: number;
  /** Share of the time that steps may run, 0 to 1. */
  duty: number;
  /** Mean power in scope over 1, 10 and 60 seconds; null until there is a reading. */
  means: MeanWatts;
  /** Power in scope. */
  watts: Reading<'w'>;
  /** Idle baseline in the terms of the scope's sensor, watts. */
  idleW: number;
  /** The sensor once gave readings and no longer does. */
  stale: boolean;
  conditions: GovernorCondition[];
};

/**
 * The law: (samples, time, state) → decision. It has no timers and does no I/O. Times are monotonic
 * milliseconds; one that lies before an earlier one counts as that.
 */
export interface Law {
  /** Takes a sample of the board's sensors, about ten times a second; jitter does no harm. */
  observe(sample: BoardSample): void;
  /** May this step run now? Asking costs nothing and may be repeated. */
  ask(step: GovernorStep, nowMs: number): Grant;
  /**
   * Whether a step may follow the one that runs now, without a further `ask`. Only where the energy
   * for both is there already: while limits bind, every step is asked for.
   */
  mayFollow(step: GovernorStep, nowMs: number): boolean;
  /** A granted step begins: its predicted energy is debited. */
  begin(step: GovernorStep, nowMs: number): void;
  /** It has run. Returns its share of the energy above idle. */
  end(step: StepTaken, nowMs: number): EnergyShare;
  /** The engine stopped in the middle of a granted step: what was debited stays spent. */
  abandon(nowMs: number): void;
  decide(nowMs: number): Decision;
  /** What the actuators could really bring about; without it, an order counts as carried out. */
  applied(order: ActuatorOrder, nowMs: number): void;
  update(settings: GovernorSettings, nowMs: number): void;
  /** Joules above idle that this step is expected to take at the present operating point. */
  estimatedJoules(step: GovernorStep): number;
  /** Learnt energies and the day's energy as plain JSON; `createLaw` takes it as `state`. */
  snapshot(): unknown;
}

export type LawOptions = {
  settings: GovernorSettings;
  board: GovernorBoard;
  model: GovernorModel;
  nowMs: number;
  /** What `snapshot` gave; anything else is ignored. */
  state?: unknown;
};
