import type { ErrorBody, LogFields } from '../core/index.ts';
import type { GenerateRequest, GenerationPart, ModelFacts } from '../protocol/index.ts';
import type { Step, StepReport } from './gate.ts';

/**
 * What the supervisor and the engine process tell each other, as JSON over the fork's channel.
 * Jobs and asks are numbered by their sender; an answer carries the number. Messages about a number
 * that is no longer known are late, and are dropped.
 */
export type ToEngine =
  /** First message of a process, and again to open the model with other threads. */
  | { type: 'load'; modelFolder: string; threads: number; contextTokens: number | null }
  | { type: 'generate'; job: number; request: GenerateRequest }
  | { type: 'cancel'; job: number }
  /** Whether steps are to be asked for. Without, the engine runs freely and says nothing per step. */
  | { type: 'gate'; driven: boolean }
  /** `ahead`: the decode step at this position, should it be the next one, is granted as well. */
  | { type: 'granted'; ask: number; ahead: number | null }
  | { type: 'ahead'; position: number }
  /** Rows of a prefill chunk from the next job on. */
  | { type: 'chunks'; rows: number };

/** Why a model cannot be served; the names are health codes. */
export type ModelTrouble = 'model_missing' | 'model_corrupt' | 'engine_unavailable';

export type FromEngine =
  /** `stepMs`: what a step of one row took. */
  | { type: 'ready'; model: ModelFacts; threads: number; loadMs: number; stepMs: number }
  /** The model cannot be loaded; the process is of no further use. */
  | { type: 'unavailable'; trouble: ModelTrouble; error: ErrorBody }
  | { type: 'part'; job: number; part: GenerationPart }
  /** Steps done by this process so far: a sign of life between parts. */
  | { type: 'progress'; job: number; steps: number }
  /** `report` is that of the step before; null for a job's first. */
  | { type: 'ask'; ask: number; job: number; step: Step; report: StepReport | null }
  /** The step that was granted ahead has begun. */
  | { type: 'took'; job: number; step: Step; report: StepReport }
  /** A job's last step. */
  | { type: 'report'; job: number; report: StepReport }
  | { type: 'log'; level: 'debug' | 'info' | 'warn' | 'error'; fields: LogFields; message: string };
