import type { Cloud } from '../cloud/index.ts';
import type {
  ConfidenceSignals,
  EngineStatus,
  GenerateRequest,
  GenerationPart,
  GenerationResult,
  Privacy,
  PromptRoute,
  RouteReason,
} from '../protocol/index.ts';
import type { ReplyAddress, SessionFacts, StoredAnswer } from '../queue/types.ts';
import type { GateDecision, NodeState, RouteDecision } from '../router/index.ts';
import type { Verdict } from '../router/privacy/index.ts';

/** What the pipeline needs of an engine; the supervisor of the engine process fulfils it. */
export interface Engine {
  /**
   * Streams one answer. The stream always ends with exactly one `done` or `error` part and never
   * throws. Aborting `signal` ends it at the next step: with `done` (finish reason `cancelled`, the
   * partial text) after a first token, else with an `error` part of code `cancelled`.
   */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerationPart>;
  status(): EngineStatus;
  /** Calls back after each change of status; returns the way to stop that. */
  onStatus(listener: (status: EngineStatus) => void): () => void;
  close(): Promise<void>;
}

/** The way back to whoever asked. */
export interface ReplyPort {
  /** Hands a terminal payload over; resolves true once a broker has acknowledged it. Never rejects. */
  deliver(answer: StoredAnswer): Promise<boolean>;
  /** Sends a frame that may get lost (QoS 0); dropped while there is no connection. */
  trySend(answer: Omit<StoredAnswer, 'seq'>): void;
  /**
   * Nobody can receive an answer there any more, nor ever will. Such a prompt is not run. False for
   * a broker that is away: it comes back.
   */
  gone(prompt: Pick<StoredAnswer, 'id' | 'reply'>): boolean;
}

/** Counts the energy of one answer at a time, and knows whether limits hold answers up. */
export interface EnergyMeter {
  begin(): void;
  /** What the answer took since `begin`; null when nobody counts. */
  end(): { joules: number; measured: boolean } | null;
  /** What stops every step at present; null while steps may run, if slowly. */
  pausedBy(): 'power' | 'thermal' | null;
}

/** A prompt message as a gateway received it, not yet parsed. */
export type InboundPrompt = {
  /** The gateway that it came in by, and by which its answer leaves. */
  kind: ReplyAddress['kind'];
  /** Cut off somewhere after the longest allowed payload: a flood of huge messages costs no memory. */
  payload: Uint8Array;
  /** Bytes that were sent, also when `payload` is cut. */
  payloadBytes: number;
  /** `text`: the plain-text topic, where even `{` is just a character. */
  format: 'frames' | 'text';
  /** The topic that the message came in on (`http` for HTTP); `router.privacy_topics` goes by it. */
  topic: string;
  defaultReplyTopic: (id: string) => string;
  invalidReplyTopic: string;
  /** MQTT 5 Response Topic. */
  responseTopic?: string;
  /** MQTT 5 Correlation Data, base64. */
  correlation: string | null;
  userProperties: Record<string, string | string[]> | null;
  /** W3C `traceparent` as the client sent it, unchecked. */
  traceparent?: string;
  /** MQTT 5 Message Expiry, counted from receipt. */
  expiryMs?: number;
  /** Undefined where nothing is delivered twice by itself. */
  packetId?: number;
  redelivered: boolean;
  /** How many twowatt nodes have handed this prompt on before; a router that hands it on adds one. */
  hops?: number;
  /** False for a stream whose first text cannot be taken back (HTTP): after it no router may escalate. */
  escalatesMidStream?: boolean;
};

/** What a prompt is routed by. */
export type RoutedPrompt = {
  generate: GenerateRequest;
  route: PromptRoute;
  model: string | undefined;
  /** The strictest label, the session's included. */
  privacy: Privacy;
  /** Who asked for it. */
  labelSource: 'message' | 'session' | 'topic' | 'config';
  sessionTarget: SessionFacts['target'];
  /** What is left of it; null without a deadline. */
  deadlineMs: number | null;
};

/** `escalate`: give the answer up for the cloud. `refuse`: it will not be given, so it need not be made. */
export type EarlyVerdict = 'go_on' | 'escalate' | 'refuse';

/** What became of a prompt, for the record of decisions; no text. */
export type RoutingRecord = {
  id: string;
  prompt: RoutedPrompt;
  target: 'edge' | 'cloud';
  reasons: RouteReason[];
  endpoint: string | null;
};

/**
 * Where prompts are answered, and whether the board's own answer will do. The composition root makes
 * it of the router, the privacy gate, the model's confidence gate and the cloud client.
 */
export interface Routing {
  /** Null: no endpoint is configured, so nothing ever leaves the board. */
  readonly cloud: Pick<Cloud, 'generate'> | null;
  /** A name of a model that a cloud endpoint serves. */
  inCloud(model: string): boolean;
  /** @throws TwowattError `privacy_blocked` for a local prompt that insists on the cloud. */
  decide(prompt: RoutedPrompt, edge: NodeState['edge']): RouteDecision;
  /** The way of a prompt whose cloud call failed; null when it may not be answered on the board. */
  afterCloudFailure(prompt: RoutedPrompt, decision: RouteDecision): RouteDecision | null;
  /** What becomes of the board's answer. `mayRestart`: a stream so far can still be taken back. */
  judge(
    prompt: RoutedPrompt,
    result: GenerationResult,
    decision: RouteDecision,
    mayRestart: boolean,
  ): GateDecision;
  /**
   * A test of growing answers, by their signals and text so far. Null where nothing can be told.
   * `mayLeave`: the cloud has not been tried yet.
   */
  watch(
    prompt: RoutedPrompt,
    mayLeave: boolean,
  ): ((signals: ConfidenceSignals, text: string) => EarlyVerdict) | null;
  /** Whether the engine should tell its signals for this prompt. */
  wantsSignals(prompt: RoutedPrompt): boolean;
  /** The one way off the board: what may leave, or why nothing may. */
  clear(conversation: GenerateRequest, privacy: Privacy): Verdict;
  /** The board has answered: whether the cloud is asked as well, to compare. Nobody waits for it. */
  shadow(id: string, prompt: RoutedPrompt, conversation: GenerateRequest, answer: string): boolean;
  record(decision: RoutingRecord, conversation: GenerateRequest): void;
}
