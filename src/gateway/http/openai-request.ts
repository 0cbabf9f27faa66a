import { isClientId, TwowattError } from '../../core/index.ts';
import { decodePromptPayload } from '../../protocol/index.ts';

/** Which of OpenAI's two ways of asking; they differ in fields and in the shape of the answer. */
export type Endpoint = 'chat' | 'completions';

/** A request as far as the gateway must understand it; the rest is checked by the pipeline. */
export type PromptRequest = {
  endpoint: Endpoint;
  /** The client's own id, when it is one that may be used. */
  id: string | undefined;
  model: string | undefined;
  stream: boolean;
  includeUsage: boolean;
  /** The same request in the words of contract section 1, as it goes to the pipeline. */
  payload: Buffer;
};

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const refuse = (param: string, why: string, code: 'invalid_request' | 'unsupported') =>
  new TwowattError(code, `${param}: ${why}`, { param });

/** Reads a body; throws `invalid_request` or `unsupported` with the field in `param`. */
export function readPromptRequest(endpoint: Endpoint, body: Uint8Array): PromptRequest {
  const decoded = decodePromptPayload(body);
  if (!('json' in decoded) || !isObject(decoded.json)) {
    throw new TwowattError('invalid_request', 'the body: expected a JSON object');
  }
  const fields = decoded.json;
  const stream = fields['stream'] === true;
  const prompt = endpoint === 'chat' ? chatFields(fields) : completionFields(fields);
  return {
    endpoint,
    id: isClientId(fields['id']) ? fields['id'] : undefined,
    model: typeof fields['model'] === 'string' ? fields['model'] : undefined,
    stream,
    includeUsage: readIncludeUsage(fields['stream_options'], stream),
    payload: Buffer.from(JSON.stringify(prompt)),
  };
}

function readIncludeUsage(options: unknown, stream: boolean): boolean {
  if (options === undefined || options === null) return false;
  if (!isObject(options)) throw refuse('stream_options', 'expected an object', 'invalid_request');
  if (!stream) throw refuse('stream_options', 'needs stream to be true', 'invalid_request');
  const include = options['include_usage'] ?? false;
  if (typeof include !== 'boolean') {
    throw refuse('stream_options.include_usage', 'expected true or false', 'invalid_request');
  }
  return include;
}

function chatFields(fields: Fields): Fields {
  if (isSet(fields['prompt'])) {
    throw refuse('prompt', 'belongs to /v1/completions; expected messages here', 'invalid_request');
  }
  const { messages } = fields;
  return Array.isArray(messages) ? { ...fields, messages: messages.map(plainMessage) } : fields;
}

/** Clients of newer models say developer for system, and wrap text into a list of parts. */
function plainMessage(message: unknown, index: number): unknown {
  if (!isObject(message)) return message;
  const { role, content } = message;
  if (role === 'tool' || role === 'function') {
    throw refuse(`messages.${index}.role`, 'tools are not served by this node', 'unsupported');
  }
  const texts = Array.isArray(content) ? content.map(textOfPart) : [];
  const allText = texts.length > 0 && texts.every((text) => text !== undefined);
  return {
    ...message,
    ...(role === 'developer' ? { role: 'system' } : {}),
    ...(allText ? { content: texts.join('') } : {}),
  };
}

function textOfPart(part: unknown): string | undefined {
  if (!isObject(part) || part['type'] !== 'text') return undefined;
  return typeof part['text'] === 'string' ? part['text'] : undefined;
}

/** Fields of the older endpoint that the pipeline does not know by their names. */
function completionFields(fields: Fields): Fields {
  const { prompt, logprobs, ...rest } = fields;
  if (isSet(fields['messages'])) {
    throw refuse(
      'messages',
      'belongs to /v1/chat/completions; expected prompt here',
      'invalid_request',
    );
  }
  if (Array.isArray(prompt)) {
    throw refuse('prompt', 'lists and token numbers are not served; send one text', 'unsupported');
  }
  if (prompt === undefined || prompt === null) {
    throw refuse('prompt', 'expected a text', 'invalid_request');
  }
  for (const field of ['echo', 'suffix']) {
    if (isSet(fields[field])) throw refuse(field, 'not served by this node', 'unsupported');
  }
  const bestOf = fields['best_of'];
  if (isSet(bestOf) && bestOf !== 1) {
    throw refuse('best_of', 'only one choice per prompt is served', 'unsupported');
  }
  if (logprobs === undefined || logprobs === null) return { ...rest, prompt };
  if (typeof logprobs !== 'number') {
    throw refuse('logprobs', 'expected a whole number', 'invalid_request');
  }
  return { ...rest, prompt, logprobs: true, top_logprobs: logprobs };
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && value !== '';
}
