import type { ChatMessage } from '../protocol/index.ts';
import type { JournalProblem } from './errors.ts';

/** Where and how a prompt's frames go; stored beside the prompt so that a restart can still answer. */
export type ReplyAddress = {
  /** The gateway that takes it. A topic of one kind means nothing to the other. */
  kind: 'mqtt' | 'http';
  /** A topic at the broker; for HTTP, a name for the connections of one life of the daemon. */
  topic: string;
  /** `text` replies are the bare answer (plain-text topic); `frames` are JSON. */
  format: 'frames' | 'text';
  /** MQTT 5 Correlation Data, base64, echoed on every frame; for HTTP, the request that asked. */
  correlation: string | null;
  /** MQTT 5 user properties, echoed on every frame. */
  userProperties: Record<string, string | string[]> | null;
};

/** What the gateway knows of the packet; recognises a redelivery of a prompt that has no id of its own. */
export type Delivery = { packetId: number; redelivered: boolean };

export type NewPrompt = {
  id: string;
  /** True when the client sent no id: a redelivered packet then counts as the same prompt. */
  idGenerated: boolean;
  reply: ReplyAddress;
  /** sha256 of the payload as received, hexadecimal. */
  bodyHash: string;
  /** The checked prompt as JSON; opaque to the journal. */
  body: string;
  session: string | null;
  priority: number;
  /** Time left until the prompt expires, counted from now; null never expires. */
  deadlineMs: number | null;
  delivery: Delivery | null;
};

export type StoredPrompt = NewPrompt & {
  /** Order of acceptance, never reused. */
  seq: number;
  /** Journal time (see Timeline) of acceptance and expiry. */
  acceptedAt: number;
  expiresAt: number | null;
  /** How often a run of this prompt was begun, this one included; in the journal before the run begins. */
  attempts: number;
  /**
   * True when `attempts` has passed the journal's `maxAttempts`: earlier runs took the daemon down or
   * were given up. Do not run it again; answer it with `internal`.
   */
  exhausted: boolean;
};

/** What a session's next prompt is routed by. */
export type SessionFacts = {
  /** A turn had to stay on the board; later turns carry it as history. Never taken back. */
  local: boolean;
  /** Where the last turn was answered; null before the first. */
  target: 'edge' | 'cloud' | null;
};

/** An answer as it was stored; sending it again sends these very bytes. */
export type StoredAnswer = {
  seq: number;
  id: string;
  reply: ReplyAddress;
  payload: string;
};

export type AcceptResult =
  /** New and on disk. `ahead` counts the prompts that will run before it. */
  | { kind: 'accepted'; seq: number; ahead: number }
  /** The same prompt is waiting or running; its answer will reach the same topic. */
  | { kind: 'in_progress'; seq: number; id: string }
  /** The same prompt was answered within the window; send these bytes again. */
  | { kind: 'answered'; answer: StoredAnswer }
  /** The same reply topic and id with another body. */
  | { kind: 'conflict' };

export type JournalCounts = {
  /** Waiting and running prompts. */
  depth: number;
  /** Bytes that they hold: bodies, reply addresses, and a fixed overhead per row. */
  bytes: number;
  /** Age of the oldest of them, milliseconds; 0 when there is none. */
  oldestMs: number;
  unsent: number;
  /**
   * Why the last access failed; null once a write succeeds. `corrupt` stays until the journal is opened
   * anew, which sets it aside.
   */
  problem: JournalProblem | null;
};

export type EraseCounts = { prompts: number; answers: number; sessions: number };

/**
 * The durable way of a prompt: accepted once, answered once, sent until a broker took it. Every
 * method that changes something has synced it to the disk when it returns; `markSent` is lazy, and so
 * is the first `claim` of a prompt that this process accepted (SIGKILL cannot undo it, a power cut can).
 *
 * When the disk fails, methods throw a JournalError (see errors.ts) and nothing has changed; the
 * caller tries again.
 */
export interface Journal {
  /**
   * Throws `queue_full` when the bounds would be broken (nothing is written then) or when the disk is
   * full or cannot be written (a JournalError whose `problem` says so).
   *
   * The dedupe window counts from the answer; while a prompt is active its topic and id are always
   * taken. A redelivered packet without an id of its own is matched by packet id and body.
   */
  accept(prompt: NewPrompt): AcceptResult;
  /**
   * Takes the next prompt to run: highest priority first, then order of acceptance; never a prompt
   * whose session has an older one unanswered. Undefined when there is none.
   */
  claim(): StoredPrompt | undefined;
  /** Takes this very prompt out of its turn; undefined when it cannot run (any more, or yet). */
  claim(seq: number): StoredPrompt | undefined;
  /** Prompts that could be claimed, in the order in which `claim` would take them. */
  ready(limit: number): StoredPrompt[];
  /**
   * Puts a claimed prompt back, to run again at its old place. With `uncounted` the attempt is taken
   * back: for an orderly stop, which is not the prompt's fault. No effect on one that is not running.
   */
  release(seq: number, options?: { uncounted?: boolean }): void;
  /**
   * Stores the terminal payload and, for a session, the new turns and facts, in one transaction. The first
   * answer wins: returns the answer that is stored, whichever it is. Any active prompt can be
   * completed, running or not. On a JournalError `disk_full`, `read_only` or `io` keep the payload
   * and call again; an `unknown_prompt` was erased or pruned.
   */
  complete(seq: number, payload: string, turns?: ChatMessage[], facts?: SessionFacts): StoredAnswer;
  /**
   * The broker has acknowledged the answer. Held in memory until the next write, `prune` or `close`
   * takes it to the disk: a power cut before that sends an identical copy again, which is allowed,
   * and the SD card is spared a sync per prompt.
   */
  markSent(seq: number): void;
  /** Answers that no broker has acknowledged, oldest first. */
  unsent(limit: number): StoredAnswer[];
  /** Waiting prompts whose deadline has passed, oldest first. */
  expired(limit: number): StoredPrompt[];
  /** Journal time at which the next waiting prompt expires; null when none does. */
  nextExpiry(): number | null;
  /** Waiting and running prompts of this id (one client's id may stand on several reply topics). */
  findActive(id: string): { prompt: StoredPrompt; state: 'waiting' | 'running' }[];
  /** The turns that a session holds so far. */
  sessionTurns(session: string): ChatMessage[];
  sessionFacts(session: string): SessionFacts;
  counts(): JournalCounts;
  /** How many waiting and running prompts a new one of this priority would stand behind. */
  aheadOf(priority: number): number;
  /** Journal time now, milliseconds: see Timeline. */
  now(): number;
  /**
   * Deletes what is past its retention and writes lazy marks down; returns how many answers went. A
   * call does a bounded amount of work: call it about once a minute.
   */
  prune(): number;
  /** Erases prompts, answers and sessions so that the bytes are gone from the file as well. */
  erase(): EraseCounts;
  close(): void;
}
