import type { Clock, Logger, Tracing } from '../core/index.ts';
import type { TerminalFrame } from '../protocol/index.ts';
import type { Journal, ReplyAddress } from '../queue/types.ts';
import type { AdmissionRules } from './admission.ts';
import type { EnergyMeter, Engine, InboundPrompt, ReplyPort, Routing } from './ports.ts';
import type { PipelineTotals } from './totals.ts';

export type PipelineOptions = {
  node: string;
  /** Asked at each prompt, so that settings may change while the pipeline runs. */
  rules: () => AdmissionRules;
  /** Prompts that the engine runs at once. */
  slots: number;
  routing: Routing;
  currency: string;
  systemPrompt: string;
  /** Whether the log may hold what was asked and answered; off unless the operator wants it. */
  logPrompts: () => boolean;
  clock: Clock;
  logger: Logger;
  journal: Journal;
  engine: Engine;
  port: ReplyPort;
  meter: EnergyMeter;
  tracing: Tracing;
  /** Told of every answer once it is stored, whichever way it goes. */
  onAnswer?: (frame: TerminalFrame) => void;
};

/**
 * A prompt's way: checked, stored, run, answered, sent.
 *
 * Invariants: an answer is stored before it is sent; a prompt is run only while it has no stored
 * answer; whoever asked gets exactly one kind of terminal frame, however often it is copied.
 * What would deadlock it: awaiting a broker's acknowledgement inside `submit`, since the gateway
 * reads nothing more from the broker until `submit` has returned. So nothing here does that.
 */
export type Pipeline = {
  /** Resolves when the prompt is safe on disk or its refusal is on its way. Never rejects. */
  submit(inbound: InboundPrompt): Promise<void>;
  /** Ends the active prompts of this id that came by this gateway, on one reply topic or on all. */
  cancel(id: string, by: { kind: ReplyAddress['kind']; topic?: string }): void;
  /** The broker is there (again): send what it has not acknowledged. */
  connected(): void;
  /** Stop taking prompts (they are refused as `draining`) but finish what was accepted. */
  drain(): void;
  resume(): void;
  draining(): boolean;
  /**
   * Finishes the running prompts within `deadlineMs`, then puts them back for the next start. What
   * still comes in meanwhile is journalled, not refused: it too runs after the next start.
   */
  stop(deadlineMs: number): Promise<void>;
  totals(): PipelineTotals;
  /** Prompts being run now, on the board or in the cloud. */
  busy(): number;
  /** Places of the board that are taken. */
  slotsBusy(): number;
  /** Grows with every prompt that moves: for the watchdog. */
  progress(): number;
  /**
   * A prompt waits that could be run, and is not: true for a moment at most, or the pipeline is broken.
   * False while the disk is in trouble, when waiting is all that can be done.
   */
  neglects(): boolean;
};
