import { TwowattError } from '../../core/index.ts';
import type {
  FinishReason,
  GenerateRequest,
  GenerationPart,
  GenerationResult,
  TokenLogprob,
} from '../../protocol/index.ts';
import type { Step, StepGate } from '../gate.ts';
import { createDetokenizer } from './detokenizer.ts';
import type { KvCache } from './kv-cache.ts';
import { confidenceOf, describeToken, logprob } from './logprobs.ts';
import { createRandom } from './prng.ts';
import { createSampler } from './sampler.ts';
import type { EngineSession, StepOutput } from './session.ts';
import {
  lastTurnStart,
  promptLogprob,
  type ScoredRows,
  scoredRows,
  SignalMeter,
  type TopTwo,
  topTwo,
} from './signals.ts';
import { StopScanner } from './stop-scanner.ts';
import type { EngineTokenizer } from './tokenizer.ts';

/** What an answer is made with; one answer uses it at a time. */
export type Workbench = {
  session: EngineSession;
  cache: KvCache;
  tokenizer: EngineTokenizer;
  gate: StepGate;
  contextTokens: number;
  /** Rows of a prefill chunk, 1 to 128. */
  chunkRows: () => number;
  eosTokenIds: ReadonlySet<number>;
  nowMs: () => number;
  freshSeed: () => number;
  /** After each step. */
  onStep: () => void;
};

/** Thrown inside when a signal aborts before the first token. */
const cancelled = () => new TwowattError('cancelled', 'cancelled before the first token');

/**
 * Runs one request. Deltas go to `emit` as they are certain; the terminal part is returned. Never
 * throws: what goes wrong in one job is that job's `error` part.
 *
 * The prompt is computed in chunks whose borders are multiples of the chunk size from position 0, cache
 * or not, and every chunk is one step of the gate: pace, cancellation and earlier prompts change when
 * the steps run, never their shapes, so they cannot change the text.
 */
export async function answer(
  request: GenerateRequest,
  signal: AbortSignal,
  emit: (part: GenerationPart) => void,
  bench: Workbench,
): Promise<GenerationPart> {
  try {
    return { type: 'done', result: await run(request, signal, emit, bench) };
  } catch (error) {
    const coded =
      error instanceof TwowattError
        ? error
        : new TwowattError(
            'internal',
            `the engine failed on this prompt: ${error instanceof Error ? error.message : String(error)}`,
          );
    return { type: 'error', error: coded.toBody() };
  }
}

async function run(
  request: GenerateRequest,
  signal: AbortSignal,
  emit: (part: GenerationPart) => void,
  bench: Workbench,
): Promise<GenerationResult> {
  const { cache, tokenizer, nowMs } = bench;
  const prompt = encodePrompt(request, bench);
  const maxTokens = Math.min(request.maxTokens, bench.contextTokens - prompt.length);
  const seed = request.sampling.seed ?? bench.freshSeed();
  const vocab = bench.session.vocab;
  const sampler = createSampler(request.sampling, vocab, createRandom(seed));
  for (const token of prompt) sampler.see(token);
  const turnStart = scoredTurn(request, prompt, bench);

  const startedAt = nowMs();
  // Once per answer: within one answer the chunks keep their size.
  cache.useChunks(bench.chunkRows());
  const cachedTokens = cache.reuse(prompt);
  let output = await prefill(prompt, turnStart, signal, bench);
  const meter = new SignalMeter(
    turnStart === null ? null : promptLogprob(cache, turnStart, prompt.length),
    request.watchSignals === true ? emit : undefined,
  );
  const writer = new AnswerWriter(request, tokenizer, emit, meter);
  let firstTokenAt: number | undefined;
  let finishReason: FinishReason | undefined;
  while (finishReason === undefined) {
    if (writer.tokens >= maxTokens) {
      finishReason = 'length';
      break;
    }
    const top = topTwo(output.logits);
    const token = sampler.choose(output.logits, top.token);
    firstTokenAt ??= nowMs();
    if (bench.eosTokenIds.has(token)) {
      finishReason = 'stop';
      break;
    }
    sampler.see(token);
    const stopped = writer.add(token, output, top);
    if (stopped) finishReason = 'stop';
    else if (writer.tokens >= maxTokens) finishReason = 'length';
    else {
      const next = await step([token], 'decode', signal, bench);
      if (next === undefined) finishReason = 'cancelled';
      else output = next;
    }
  }
  const endedAt = nowMs();
  writer.finish();
  return {
    text: writer.text,
    finishReason,
    promptTokens: prompt.length,
    completionTokens: writer.tokens,
    cachedTokens,
    prefillMs: (firstTokenAt ?? endedAt) - startedAt,
    decodeMs: endedAt - (firstTokenAt ?? endedAt),
    ...writer.certainty(),
  };
}

function encodePrompt(request: GenerateRequest, bench: Workbench): number[] {
  const { messages, prompt } = request;
  const param = messages === undefined ? 'prompt' : 'messages';
  const tokens =
    messages === undefined
      ? bench.tokenizer.encodeText(prompt ?? '')
      : bench.tokenizer.encodeChat(messages);
  if (tokens.length === 0) {
    throw new TwowattError('invalid_request', `${param}: holds no tokens`, { param });
  }
  const longest = bench.contextTokens - 1;
  if (tokens.length > longest) {
    throw new TwowattError(
      'context_length_exceeded',
      `${param}: the prompt is ${tokens.length} tokens long, this model takes at most ${longest}`,
      { param },
    );
  }
  return tokens;
}

/** The first token of the prompt to score; null scores none. */
function scoredTurn(
  { watchSignals, messages }: GenerateRequest,
  prompt: readonly number[],
  { session, tokenizer }: Workbench,
): number | null {
  if (watchSignals !== true || !session.scoresPrompts) return null;
  const last = messages?.at(-1);
  // A template may refuse other roles alone; a lone turn is the prompt.
  const renderable = last?.role === 'user' && messages !== undefined && messages.length > 1;
  return lastTurnStart(prompt, renderable ? tokenizer.encodeChat([last]) : prompt);
}

/** @param turnStart the first token to score; null scores none */
async function prefill(
  prompt: readonly number[],
  turnStart: number | null,
  signal: AbortSignal,
  bench: Workbench,
): Promise<StepOutput> {
  let output: StepOutput | undefined;
  const { chunkRows } = bench.cache;
  for (let from = bench.cache.length; from < prompt.length;) {
    const to = Math.min(prompt.length, from - (from % chunkRows) + chunkRows);
    const scored = turnStart === null ? undefined : scoredRows(prompt, turnStart, from, to);
    output = await step(prompt.slice(from, to), 'prefill', signal, bench, scored);
    if (output === undefined) throw cancelled();
    const firstScored = from + (scored?.from ?? 0) + 1;
    output.scores.forEach((score, row) => bench.cache.setScore(firstScored + row, score));
    from = to;
  }
  if (output === undefined || signal.aborted) throw cancelled();
  return output;
}

/** One granted step; undefined when the job was cancelled before it ran. */
async function step(
  tokens: readonly number[],
  phase: Step['phase'],
  signal: AbortSignal,
  bench: Workbench,
  scored?: ScoredRows,
): Promise<StepOutput | undefined> {
  const facts: Step = { phase, rows: tokens.length, position: bench.cache.length };
  if (signal.aborted) return undefined;
  await bench.gate.acquire(facts, signal);
  if (signal.aborted) return undefined;
  const startedAt = bench.nowMs();
  const output = await bench.session.step(tokens, phase, bench.cache, scored);
  bench.gate.report({ ...facts, durationMs: bench.nowMs() - startedAt });
  bench.onStep();
  return output;
}

/** Tokens in, text out: detokenising, stop strings, log-probabilities. */
class AnswerWriter {
  text = '';
  tokens = 0;
  readonly #tokenizer: EngineTokenizer;
  readonly #emit: (part: GenerationPart) => void;
  readonly #detokenizer: ReturnType<typeof createDetokenizer>;
  readonly #scanner: StopScanner;
  readonly #topLogprobs: number | null;
  readonly #meter: SignalMeter;
  /** Characters of the answer before each token. */
  readonly #starts: number[] = [];
  readonly #entries: TokenLogprob[] = [];
  #characters = 0;
  #stopped = false;

  constructor(
    request: GenerateRequest,
    tokenizer: EngineTokenizer,
    emit: (part: GenerationPart) => void,
    meter: SignalMeter,
  ) {
    this.#tokenizer = tokenizer;
    this.#emit = emit;
    this.#meter = meter;
    this.#detokenizer = createDetokenizer(tokenizer.bytesOf, tokenizer.stripLeadingSpaces);
    this.#scanner = new StopScanner(request.stop);
    this.#topLogprobs = request.topLogprobs;
  }

  /** Returns true when a stop string is complete. */
  add(token: number, { logits, logSumExp }: StepOutput, top: TopTwo): boolean {
    this.tokens += 1;
    this.#starts.push(this.#characters);
    this.#meter.add(logprob(logits[token] as number, logSumExp), top, logits, logSumExp);
    if (this.#topLogprobs !== null) {
      this.#entries.push(
        describeToken(token, logits, logSumExp, this.#topLogprobs, this.#tokenizer.bytesOf),
      );
    }
    return this.#take(this.#detokenizer.push(token));
  }

  /** The end for another reason than a stop string: what was held back goes out. */
  finish(): void {
    if (this.#stopped || this.#take(this.#detokenizer.flush())) return;
    this.#send(this.#scanner.flush());
  }

  #take(piece: string): boolean {
    this.#characters += piece.length;
    const scanned = this.#scanner.push(piece);
    this.#send(scanned.text);
    this.#stopped = scanned.stopped;
    return scanned.stopped;
  }

  #send(text: string): void {
    if (text === '') return;
    this.text += text;
    this.#emit({ type: 'delta', text });
  }

  /**
   * Confidence and log-probabilities of the answer's own tokens: without the end token, which is not
   * part of the text, and without tokens that only spell a stop string.
   */
  certainty(): Pick<GenerationResult, 'confidence' | 'signals' | 'logprobs'> {
    let count = this.tokens;
    if (this.#stopped) {
      while (count > 0 && (this.#starts[count - 1] as number) >= this.text.length) count -= 1;
    }
    const signals = this.#meter.signals(count);
    return {
      confidence: confidenceOf(signals.answerLogprob),
      signals,
      logprobs: this.#topLogprobs === null ? null : this.#entries.slice(0, count),
    };
  }
}
