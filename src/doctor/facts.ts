import type { Config } from '../config/index.ts';
import type { Decision, SavedState } from '../governor/index.ts';
import type {
  Board,
  ClockBound,
  DeviceProfile,
  SensorFact,
  ThermalZone,
  ThrottleHistory,
} from '../hardware/index.ts';
import type { BrokerLook } from '../gateway/mqtt/index.ts';
import type { ModelFault } from '../model/index.ts';
import type { BoardSample, ModelManifest, ModelTarget } from '../protocol/index.ts';
import type { JournalLook } from '../queue/index.ts';

/** The merged configuration, secrets masked and system prompt left out. */
export type ConfigFacts = {
  file: string | null;
  overlayPath: string | null;
  /** Values set over MQTT that no longer fit: told and ignored. */
  ignored: string[];
  settings: { key: string; value: unknown; origin: string }[];
  node: string;
  governor: Config['governor'];
  /** Files that should hold a secret and do not serve: the setting, the file and why. */
  secretProblems: { key: string; path: string; reason: string }[];
};

export type SystemFacts = {
  twowatt: string;
  node: string;
  nodeWanted: string;
  /** Null on systems with another C library. */
  glibc: string | null;
  platform: string;
  user: { name: string; uid: number };
  /** Null where nobody keeps book of it. */
  clockSynchronised: boolean | null;
  /** False while the date cannot be right. */
  datePlausible: boolean;
  date: string;
};

export type BoardFacts = {
  board: Board;
  profile: { profile: DeviceProfile; why: string } | null;
  sensors: SensorFact[];
  sample: BoardSample;
  zones: ThermalZone[];
  sinceBoot: ThrottleHistory | null;
  clocks: ClockBound[];
  availableBytes: number | null;
  cpu: { features: string[] | null; target: ModelTarget };
};

export type GovernorFacts = {
  /** What an earlier life learnt; `damaged` when the file is there and holds nothing usable. */
  saved: SavedState | 'damaged' | null;
  savedPath: string;
  /** What the law makes of this board, model and moment; a reason without a converted model. */
  decision: Decision | { reason: string };
  /** Rails by which the scope `rail` could go. */
  rails: string[];
  /** Rail that the scope goes by; empty when nobody names one. */
  rail: string;
};

export type ModelLook = {
  /** What `model.path` says; empty for the bundled model. */
  wanted: string;
} & (
  | {
      state: 'converted';
      folder: string;
      /** True when it was made from another folder and can be made again. */
      cached: boolean;
      manifest: ModelManifest;
      weightBytes: number;
      /** Key/value cache of one slot at the configured context, bytes. */
      cacheBytes: number;
      slots: number;
    }
  | { state: 'unconverted'; source: string; folder: string; target: ModelTarget }
  | { state: 'unusable'; fault: ModelFault | null; message: string }
);

export type VerifyFacts = { intact: true } | { intact: false; message: string } | { intact: null };

export type StorageFacts = {
  stateFolder: { path: string; exists: boolean; denied: string | null };
  journalPath: string;
  journalFolder: { path: string; exists: boolean; denied: string | null };
  diskFreeBytes: number | null;
  journal: JournalLook;
};

export type BrokerFacts = { embedded: boolean; look: BrokerLook };

export type ServiceFacts = {
  systemd: {
    unit: string;
    load: string;
    active: string;
    sub: string;
    result: string;
    restarts: number;
    pid: number;
  } | null;
  pm2: { pid: number; alive: boolean } | null;
  /** Why systemd could not be asked; null when it answered or does not run here. */
  problem: string | null;
};

export type LogFacts = {
  /** Where the lines come from; null when no log can be reached. */
  source: string | null;
  lines: string[];
  /** Lines that were left out because their form is not ours. */
  leftOut: number;
};

export type DeepFacts =
  | {
      ok: true;
      by: string;
      tokens: number;
      tokensPerS: number;
      ttftMs: number;
      totalMs: number;
    }
  | { ok: false; message: string };

/** Everything that probes find out, by the name of the probe. Plain data: it crosses a process border. */
export type Facts = {
  config: ConfigFacts;
  system: SystemFacts;
  storage: StorageFacts;
  board: BoardFacts;
  model: ModelLook;
  governor: GovernorFacts;
  broker: BrokerFacts;
  service: ServiceFacts;
  verify: VerifyFacts;
  log: LogFacts;
  deep: DeepFacts;
};
export type ProbeName = keyof Facts;

/** `invalid`: the configuration is wrong, which ends the whole examination. */
export type Outcome<Value> =
  | { ok: true; value: Value }
  | { ok: false; reason: string; invalid?: true };

/** What is known so far; a probe that was not asked for is absent. */
export type Outcomes = { [Name in ProbeName]?: Outcome<Facts[Name]> };
