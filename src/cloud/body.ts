import type { CloudEndpoint, CloudRequest } from './types.ts';

/** OpenAI's fields, plus those of open servers where they are set: the others refuse what they do not know. */
export function requestBody(endpoint: CloudEndpoint, request: CloudRequest): string {
  const { sampling, topLogprobs, stop } = request;
  const raw = request.prompt !== undefined;
  const logprobs = raw
    ? { logprobs: topLogprobs }
    : { logprobs: true, ...(topLogprobs === 0 ? {} : { top_logprobs: topLogprobs }) };
  return JSON.stringify({
    ...endpoint.extraBody,
    model: endpoint.model,
    ...(raw ? { prompt: request.prompt } : { messages: request.messages }),
    max_tokens: request.maxTokens,
    temperature: sampling.temperature,
    ...(sampling.topP === 1 ? {} : { top_p: sampling.topP }),
    ...(sampling.topK === 0 ? {} : { top_k: sampling.topK }),
    ...(sampling.minP === 0 ? {} : { min_p: sampling.minP }),
    ...(sampling.repetitionPenalty === 1 ? {} : { repetition_penalty: sampling.repetitionPenalty }),
    ...(sampling.seed === null ? {} : { seed: sampling.seed }),
    ...(stop.length === 0 ? {} : { stop }),
    ...(topLogprobs === null ? {} : logprobs),
    ...(request.responseFormat === null ? {} : { response_format: request.responseFormat }),
    stream: true,
    stream_options: { include_usage: true },
  });
}

export const requestUrl = (endpoint: CloudEndpoint, request: CloudRequest): string =>
  `${endpoint.baseUrl}/${request.prompt === undefined ? 'chat/completions' : 'completions'}`;
