import type { CloudEndpoint, CloudRequest } from './types.ts';

/** Role marks and separators that a chat template puts around a message. */
const TOKENS_PER_MESSAGE = 4;
const MOST_TOKENS_PER_MESSAGE = 16;
/** System prompts that some templates bring along. */
const MOST_TEMPLATE_TOKENS = 64;
/** English has about four letters a token; a Chinese character takes somewhat less than one. */
const TOKENS_PER_ASCII = 0.25;
const TOKENS_PER_WIDE = 0.7;

/** A first guess at the tokens of a text; `TokenGauge` corrects it. */
export function guessTokens(text: string): number {
  let ascii = 0;
  let wide = 0;
  for (const character of text) {
    if (character.charCodeAt(0) < 0x80) ascii += 1;
    else wide += 1;
  }
  return ascii * TOKENS_PER_ASCII + wide * TOKENS_PER_WIDE;
}

const textsOf = (request: CloudRequest): string[] =>
  request.prompt === undefined
    ? (request.messages ?? []).map(({ content }) => content)
    : [request.prompt];

export function guessPromptTokens(request: CloudRequest): number {
  return textsOf(request).reduce((sum, text) => sum + guessTokens(text) + TOKENS_PER_MESSAGE, 0);
}

/** No tokenizer makes more tokens than there are bytes: the byte is the smallest piece of every one. */
export function mostPromptTokens(request: CloudRequest): number {
  return textsOf(request).reduce(
    (sum, text) => sum + Buffer.byteLength(text) + MOST_TOKENS_PER_MESSAGE,
    MOST_TEMPLATE_TOKENS,
  );
}

/** Price in the endpoint's currency. */
export function priceOf(
  endpoint: Pick<CloudEndpoint, 'priceIn' | 'priceOut'>,
  promptTokens: number,
  completionTokens: number,
): number {
  return (promptTokens * endpoint.priceIn + completionTokens * endpoint.priceOut) / 1e6;
}

/** Calls after which the oldest half counts for a third. */
const DECAY = 0.99;

/** How many tokens an endpoint really counts for each guessed one, learnt from its usage reports. */
export class TokenGauge {
  #guessed = 0;
  #counted = 0;

  learn(guessed: number, counted: number): void {
    if (guessed <= 0 || counted <= 0) return;
    this.#guessed = this.#guessed * DECAY + guessed;
    this.#counted = this.#counted * DECAY + counted;
  }

  correct(guessed: number): number {
    return this.#guessed === 0 ? guessed : (guessed * this.#counted) / this.#guessed;
  }
}
