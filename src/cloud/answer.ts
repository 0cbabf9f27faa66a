import type { FinishReason, TokenLogprob } from '../protocol/index.ts';
import type { EndpointRuntime } from './endpoint.ts';
import { guessPromptTokens, guessTokens, mostPromptTokens } from './tokens.ts';
import type { CloudRequest, CloudUsage } from './types.ts';
import type { WireEvent } from './wire.ts';

type ReportedUsage = Omit<Extract<WireEvent, { type: 'usage' }>, 'type'>;

/** Room above max_tokens for what servers count beside the answer: end of text, a role mark. */
const UNCOUNTED_TOKENS = 8;
/** No tokenizer's pieces are this long on average; an endpoint that sends more does not count its tokens. */
const MOST_CHARACTERS_PER_TOKEN = 64;
const SPARE_CHARACTERS = 4096;

/** The answer of one call as it grows. */
export class Answer {
  readonly #endpoint: EndpointRuntime;
  readonly #request: CloudRequest;
  #thoughts = 0;
  #reported: ReportedUsage | null = null;
  readonly #logprobs: TokenLogprob[] = [];
  text = '';
  finishReason: FinishReason | null = null;

  constructor(endpoint: EndpointRuntime, request: CloudRequest) {
    this.#endpoint = endpoint;
    this.#request = request;
  }

  /** More came than `max_tokens` can be: the endpoint would fill the board's memory. */
  get endless(): boolean {
    const most = SPARE_CHARACTERS + this.#request.maxTokens * MOST_CHARACTERS_PER_TOKEN;
    return this.text.length > most;
  }

  take(event: WireEvent): void {
    if (event.type === 'text') this.text += event.text;
    else if (event.type === 'thought') this.#thoughts += guessTokens(event.text);
    else if (event.type === 'logprobs') this.#takeLogprobs(event.tokens);
    else if (event.type === 'finish') this.finishReason = event.reason;
    // Some servers count in every chunk; the last count holds.
    else if (event.type === 'usage') this.#reported = event;
  }

  /** As reported when that can be true of this request, else estimated. */
  usage(): CloudUsage {
    const reported = this.#reported;
    if (reported !== null && this.#plausible(reported)) {
      const { promptTokens, completionTokens, cachedTokens } = reported;
      return { promptTokens, completionTokens, cachedTokens, estimated: false };
    }
    const { promptGauge, answerGauge } = this.#endpoint;
    const prompt = Math.round(promptGauge.correct(guessPromptTokens(this.#request)));
    const answer = Math.ceil(answerGauge.correct(this.#guessed()));
    return {
      promptTokens: Math.min(prompt, mostPromptTokens(this.#request)),
      completionTokens: Math.min(answer, this.#request.maxTokens),
      cachedTokens: 0,
      estimated: true,
    };
  }

  /** Lets the endpoint's estimates learn from a count that it reported. */
  teach(): void {
    const usage = this.usage();
    if (usage.estimated) return;
    this.#endpoint.promptGauge.learn(guessPromptTokens(this.#request), usage.promptTokens);
    this.#endpoint.answerGauge.learn(this.#guessed(), usage.completionTokens);
    this.#endpoint.observeAnswer(usage.completionTokens);
  }

  logprobs(): TokenLogprob[] | null {
    return this.#request.topLogprobs === null || this.#logprobs.length === 0
      ? null
      : this.#logprobs;
  }

  confidence(): number | null {
    const tokens = this.#logprobs;
    if (tokens.length === 0) return null;
    return Math.exp(tokens.reduce((sum, { logprob }) => sum + logprob, 0) / tokens.length);
  }

  #takeLogprobs(tokens: readonly TokenLogprob[]): void {
    for (const token of tokens) {
      if (this.#logprobs.length >= this.#request.maxTokens + UNCOUNTED_TOKENS) return;
      this.#logprobs.push(token);
    }
  }

  #guessed(): number {
    return guessTokens(this.text) + this.#thoughts;
  }

  #plausible({ promptTokens, completionTokens }: ReportedUsage): boolean {
    const answered = this.text !== '' || this.#thoughts > 0;
    return (
      promptTokens > 0 &&
      promptTokens <= mostPromptTokens(this.#request) &&
      completionTokens <= this.#request.maxTokens + UNCOUNTED_TOKENS &&
      (!answered || completionTokens > 0)
    );
  }
}
