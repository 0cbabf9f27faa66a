import type { Clock, ErrorBody, Logger, SpanParent } from '../core/index.ts';
import type { FinishReason, GenerateRequest, TokenLogprob } from '../protocol/index.ts';

/** One place that answers prompts. Durations in milliseconds, prices per million tokens. */
export type CloudEndpoint = {
  name: string;
  /** Everything before `/chat/completions`, without a slash at its end. */
  baseUrl: string;
  model: string;
  /** Sent as bearer token; null sends none. Never logged. */
  apiKey: string | null;
  /** Tier 1 is asked first. */
  tier: number;
  priceIn: number;
  priceOut: number;
  currency: string;
  /** Share within its tier; 0 is asked only when the rest of the tier cannot answer. */
  weight: number;
  maxConcurrency: number;
  connectTimeoutMs: number;
  firstTokenTimeoutMs: number;
  /** Longest silence between two tokens. */
  idleTimeoutMs: number;
  totalTimeoutMs: number;
  /** Fields merged into each request body, for what a server has beyond OpenAI's API. */
  extraBody: Readonly<Record<string, unknown>>;
};

/** Where a prompt goes when its own tier cannot answer: to higher numbers, to lower ones, or both. */
export type Failover = 'any' | 'up' | 'down' | 'none';

export type CloudRequest = GenerateRequest & {
  /** The prompt's, for the log. Never sent. */
  id: string;
  /** Where the spans of its calls belong; each call sends its own span's `traceparent`. */
  trace: SpanParent;
  /**
   * That this prompt may leave the board. Anything but true is refused with `privacy_blocked` at the
   * one place that sends, and it is read again there for every retry, hedge and failover.
   */
  mayLeave: boolean;
  /** OpenAI's `response_format`, passed on as it is; null asks for text. */
  responseFormat: Readonly<Record<string, unknown>> | null;
  /** Tier to ask first; null means the lowest. Failover goes on from there. */
  tier: number | null;
  /** Only endpoints of this model or name; null means all. */
  model: string | null;
  /** Monotonic time by which the answer must be whole. */
  deadlineMs: number;
  /** Waits for an endpoint until the deadline instead of failing while none can be reached. */
  patient: boolean;
  /** That a stream broken after output may begin anew, which voids the text so far. */
  mayRestart: boolean;
  /** Same prompt, same key; never the same for two prompts. Sent as `idempotency-key`; null sends none. */
  idempotencyKey: string | null;
  /** Nodes that the prompt has passed; one more is sent in `twowatt-hops`. */
  hops: number;
};

export type Money = { amount: number; currency: string };

export type CloudUsage = {
  promptTokens: number;
  completionTokens: number;
  cachedTokens: number;
  /** The endpoint reported none, or nonsense, and these were estimated from the text. */
  estimated: boolean;
};

export type CloudResult = {
  /** The whole answer, without what a reasoning model thought before it. */
  text: string;
  finishReason: FinishReason;
  usage: CloudUsage;
  /** Name of the endpoint that answered, and the model as it is configured there. */
  endpoint: string;
  model: string;
  /** All calls for this prompt together: failed ones and hedges cost as well. */
  cost: Money;
  /** From the begin of the call to the first text (null without any), and to the end; waits and retries count. */
  timing: { firstTokenMs: number | null; totalMs: number };
  /** exp of the mean log-probability of the answer's tokens; null when none were reported. */
  confidence: number | null;
  logprobs: TokenLogprob[] | null;
  /** Calls that this answer took, hedges included. */
  calls: number;
};

/** As `GenerationPart`: exactly one terminal part (`done` or `error`), and `restart` voids all deltas before it. */
export type CloudPart =
  | { type: 'delta'; text: string }
  | { type: 'restart'; reason: string }
  | { type: 'done'; result: CloudResult }
  | { type: 'error'; error: ErrorBody; cost: Money; calls: number };

export type BreakerState = 'closed' | 'open' | 'half_open';

export type EndpointState = {
  name: string;
  model: string;
  tier: number;
  breaker: BreakerState;
  /** How long it has not been reachable; null while it is, as far as is known. */
  unreachableForMs: number | null;
  /** Of the last failure, such as `http 503`; null after a success. No text of the provider. */
  problem: string | null;
  /** Remaining time for which the endpoint asked not to be called; 0 when it did not. */
  restingMs: number;
  inFlight: number;
  maxConcurrency: number;
  /** Time to the first token over the last calls; null before there are enough of them. */
  firstTokenP50Ms: number | null;
  firstTokenP95Ms: number | null;
  calls: number;
  failures: number;
  cost: Money;
};

export type BudgetState = {
  /** 0: no limit, and `left` is null. */
  limit: number;
  spent: number;
  /** Held back for calls that run. */
  reserved: number;
  left: number | null;
  currency: string;
  /** A prompt was refused for want of money, and none has been since. */
  exhausted: boolean;
};

export type CloudState = {
  /** Some endpoint can be asked. */
  reachable: boolean;
  unreachableForMs: number | null;
  endpoints: EndpointState[];
  budget: BudgetState;
  totals: { prompts: number; calls: number; retries: number; hedges: number; restarts: number };
  /** Since the start of the process, one entry for each currency. */
  costs: Money[];
};

/** What a prompt would cost at the endpoint that would be asked first. */
export type CostEstimate = {
  endpoint: string;
  currency: string;
  /** From the text's length, corrected by what the endpoint has counted so far. */
  expected: number;
  /** What would be reserved; no honest count of tokens exceeds it. */
  upper: number;
};

export interface Cloud {
  /** Streams one answer. Never throws; leaving early or aborting `signal` ends every call behind it. */
  generate(request: CloudRequest, signal: AbortSignal): AsyncIterable<CloudPart>;
  /** Null when no endpoint serves the request's model. */
  estimateCost(request: CloudRequest): CostEstimate | null;
  state(): CloudState;
  /** Ends all calls, waits for them and stores what was spent. */
  close(): Promise<void>;
}

/** Keeps what was spent over a restart. Both may throw; what `load` returns is checked. */
export interface BudgetStore {
  load(): unknown;
  /** Returns once `state`, plain JSON, is safe. */
  save(state: unknown): void;
}

export type BudgetOptions = {
  /** In `currency`; 0 sets no limit. */
  limitPerDay: number;
  currency: string;
  store: BudgetStore;
};

export type CloudOptions = {
  endpoints: readonly CloudEndpoint[];
  failover: Failover;
  /** Retries and hedges allowed for each prompt, on the average. */
  retryRatio: number;
  hedging: boolean;
  budget: BudgetOptions;
  clock: Clock;
  logger: Logger;
  /** Uniform in [0, 1). */
  random: () => number;
  transport: Transport;
};

export type TransportCall = {
  url: string;
  headers: Record<string, string>;
  body: string;
  connectTimeoutMs: number;
  maxConnections: number;
};

export type TransportResponse = {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string | undefined>>;
  body: AsyncIterable<Uint8Array>;
};

/** HTTP POST, and nothing else: no redirects, no retries, no timeouts but that of connecting. */
export interface Transport {
  /** Rejects when no response came; aborting `signal` also ends the body. */
  post(call: TransportCall, signal: AbortSignal): Promise<TransportResponse>;
  close(): Promise<void>;
}
