import type {
  AuditEntry,
  BoardRecord,
  FleetSeriesResponse,
  FleetSettings,
  SeriesField,
  SeriesResponse,
} from '../../protocol/fleet/index.ts';

/** One message of telemetry: values in the order of SERIES_FIELD_NAMES, null where the board knew none. */
export type Sample = { node: string; tMs: number; values: (number | null)[] };

/** What the whole fleet did at a moment. */
export type FleetSample = {
  tMs: number;
  online: number;
  offline: number;
  stale: number;
  watts: number;
  tokensPerS: number;
};

export type SeriesQuery = {
  node: string;
  fields: SeriesField[];
  fromMs: number;
  toMs: number;
  /** 0: as they came, where that are few enough points. */
  stepMs: number;
};

export type StoredDocument = { id: string; updatedMs: number; body: unknown };

/** Kinds of small documents beside the history; each is a JSON object under an id. */
export type DocumentKind = 'user' | 'session' | 'rule' | 'alert' | 'action' | 'rollout' | 'setting';

export type MaintenanceReport = { rolledUp: number; dropped: number; tookMs: number };

/**
 * Everything that a fleet server keeps. All of it may be asked at any time, side by side; a promise rejects
 * when the store cannot do it, and nothing of that call has then happened.
 *
 * - Samples are idempotent: the same (node, time) again changes nothing, so that a message that is delivered
 *   twice, or to two servers, is stored once.
 * - What a resolved `write` took survives the death of this process.
 * - History is kept as it came, by the minute and by the hour, each for the days of the settings;
 *   `series` chooses, and fills the newest part from the finer level, so that a graph has no hole at its end.
 */
export interface FleetStore {
  readonly kind: 'sqlite' | 'postgres';
  write(samples: Sample[]): Promise<void>;
  /** Last known records, to begin with after a restart. */
  loadBoards(): Promise<BoardRecord[]>;
  saveBoards(boards: BoardRecord[]): Promise<void>;
  /** Forgets a board and its history. */
  removeBoard(node: string): Promise<void>;
  series(query: SeriesQuery): Promise<SeriesResponse>;
  writeFleet(sample: FleetSample): Promise<void>;
  fleetSeries(query: {
    fromMs: number;
    toMs: number;
    stepMs: number;
  }): Promise<FleetSeriesResponse>;

  document(kind: DocumentKind, id: string): Promise<StoredDocument | undefined>;
  /** Newest change first; `sinceMs` leaves out what was not changed after. */
  documents(
    kind: DocumentKind,
    options?: { limit?: number; sinceMs?: number },
  ): Promise<StoredDocument[]>;
  putDocument(kind: DocumentKind, id: string, body: object, nowMs: number): Promise<void>;
  /** True when it was there. */
  deleteDocument(kind: DocumentKind, id: string): Promise<boolean>;
  /** Deletes those that were not changed since. */
  expireDocuments(kind: DocumentKind, beforeMs: number): Promise<number>;

  appendAudit(entry: Omit<AuditEntry, 'id'>): Promise<void>;
  /** Newest first. */
  audit(query: { limit: number; beforeId?: number }): Promise<AuditEntry[]>;

  /** Rolls up what is complete and drops what is too old. Bounded work per call; `rolledUp` 0: up to date. */
  maintain(nowMs: number, settings: FleetSettings): Promise<MaintenanceReport>;
  /** Whether this server is the one that does what only one may (jobs, alerts); asked again and again. */
  leads(): Promise<boolean>;
  /** Bytes on disk; null where that cannot be told. */
  sizeBytes(): Promise<number | null>;
  close(): Promise<void>;
}
