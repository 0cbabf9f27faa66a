import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { TwowattError } from '../../core/index.ts';
import type { ChatMessage } from '../../protocol/index.ts';
import type { TokenBytes } from './detokenizer.ts';
import { leaveOutUnusedModules } from './empty-modules.ts';
import { LoadError } from './load-error.ts';
import { readModelJson } from './model-folder.ts';
import { type DecoderRules, readDecoder } from './token-decoder.ts';

export interface EngineTokenizer {
  /** The conversation through the model's chat template, ready for the assistant's turn. */
  encodeChat(messages: readonly ChatMessage[]): number[];
  /** Raw text; special tokens written in it count as such. */
  encodeText(text: string): number[];
  bytesOf: TokenBytes;
  /** Spaces that the decoder takes off the front of a whole text. */
  stripLeadingSpaces: number;
}

/**
 * The parts of transformers' tokenizer that its types keep private. The version is pinned, and
 * `load` proves the derived encoder by trying every special token, so a change shows at once.
 */
type Splitter = { split(text: string): string[] };
type Inner = {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  id_to_token(id: number): string | undefined;
  added_tokens: { id: number; content: string; special: boolean; normalized: boolean }[];
  added_tokens_map: Map<string, { special: boolean }>;
  splitter_unnormalized: Splitter & { constructor: new (words: string[]) => Splitter };
};

type Transformers = typeof import('@huggingface/transformers');

/**
 * The tokenizer's own module of transformers, out of the sources that its package carries beside the
 * bundle. The bundle defines every model, processor and pipeline there is and loads an image library:
 * 20 MB more for nothing. The exact version is pinned, and a test opens the real thing.
 */
async function importTokenizerPart(): Promise<Pick<Transformers, 'env' | 'PreTrainedTokenizer'>> {
  const bundle = import.meta.resolve('@huggingface/transformers');
  const load = async (file: string) =>
    (await import(new URL(`../src/${file}`, bundle).href)) as Transformers;
  const { PreTrainedTokenizer } = await load('tokenization_utils.js');
  const { env } = await load('env.js');
  return { env, PreTrainedTokenizer };
}

/** Reads tokenizer and template of a model folder. Nothing but these files is ever looked at. */
export async function loadTokenizer(folder: string): Promise<EngineTokenizer> {
  const model = readModelJson(folder, 'tokenizer.json');
  const config = readModelJson(folder, 'tokenizer_config.json');
  const templateFile = join(folder, 'chat_template.jinja');
  if (config['chat_template'] === undefined && existsSync(templateFile)) {
    config['chat_template'] = readFileSync(templateFile, 'utf8');
  }
  const decoder = readDecoder(model['decoder']);
  leaveOutUnusedModules();
  const { env, PreTrainedTokenizer } = await importTokenizerPart();
  env.allowRemoteModels = false;
  requireIds(model);
  try {
    return createTokenizer(new PreTrainedTokenizer(model, config), decoder);
  } catch (error) {
    if (error instanceof LoadError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new LoadError('model_corrupt', `tokenizer.json cannot be used: ${why}`, {
      param: 'tokenizer.json',
      cause: error,
    });
  }
}

/** What is no whole number would reach the graph as an index. */
function requireIds(model: Record<string, unknown>): void {
  const { vocab } = (model['model'] ?? {}) as { vocab?: unknown };
  const added = Array.isArray(model['added_tokens']) ? (model['added_tokens'] as unknown[]) : [];
  const ids = [
    ...Object.values(typeof vocab === 'object' && vocab !== null ? vocab : {}),
    ...added.map((token) => (token as { id?: unknown } | null)?.id),
  ];
  if (ids.every((id) => Number.isSafeInteger(id) && (id as number) >= 0)) return;
  throw new LoadError('model_corrupt', 'tokenizer.json: every token needs a whole number as id', {
    param: 'tokenizer.json',
  });
}

function createTokenizer(tokenizer: PreTrainedTokenizer, decoder: DecoderRules): EngineTokenizer {
  const inner = (tokenizer as unknown as { _tokenizer: Inner })._tokenizer;
  const specials = new Map(
    inner.added_tokens.filter((token) => token.special).map((token) => [token.content, token.id]),
  );
  const specialIds = new Set(specials.values());
  const plain = withoutSpecials(inner);
  for (const special of specials.keys()) {
    if (encodePlain(special).some((id) => specialIds.has(id))) {
      throw new LoadError(
        'model_corrupt',
        `tokenizer.json: the text "${special}" cannot be written without the special token`,
        { param: 'tokenizer.json' },
      );
    }
  }
  // Longest first, so that of two specials with one beginning the longer is found.
  const specialWords = [...specials.keys()].sort((a, b) => b.length - a.length);
  const anySpecial = new RegExp(specialWords.map(escapeForRegExp).join('|') || '(?!)', 'gu');

  function encodePlain(text: string): number[] {
    return text === '' ? [] : plain.encode(text, { add_special_tokens: false }).ids;
  }

  function render(messages: readonly ChatMessage[]): string {
    try {
      return tokenizer.apply_chat_template([...messages], {
        tokenize: false,
        add_generation_prompt: true,
      });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new TwowattError(
        'invalid_request',
        `messages: the chat template refuses them: ${why}`,
        {
          param: 'messages',
          cause: error,
        },
      );
    }
  }

  return {
    encodeText: (text) => (text === '' ? [] : known(tokenizer.encode(text))),
    encodeChat(messages) {
      // Content must not command the model: a special token's name inside it is only text. So such
      // names are set aside before the template is applied (under a name that nobody can guess) and
      // put back as plain text. All other conversations go through the tokenizer as they are.
      const tainted = messages.some(({ content }) => content.search(anySpecial) >= 0);
      if (!tainted) {
        return known(tokenizer.encode(render(messages), { add_special_tokens: false }));
      }
      const mark = `\u{E000}${randomBytes(12).toString('hex')}`;
      const setAside = messages.map(({ role, content }) => ({
        role,
        content: content.replace(
          anySpecial,
          (word) => `${mark}${specialWords.indexOf(word)}\u{E001}`,
        ),
      }));
      const putBack = new RegExp(`${mark}(\\d+)\u{E001}`, 'gu');
      const rendered = render(setAside);
      const ids: number[] = [];
      let from = 0;
      const encodeUpTo = (end: number) => {
        const text = rendered
          .slice(from, end)
          .replace(putBack, (_whole, index: string) => specialWords[Number(index)] as string);
        for (const id of encodePlain(text)) ids.push(id);
      };
      for (const found of rendered.matchAll(anySpecial)) {
        encodeUpTo(found.index);
        ids.push(specials.get(found[0]) as number);
        from = found.index + found[0].length;
      }
      encodeUpTo(rendered.length);
      return known(ids);
    },
    bytesOf(id) {
      return specialIds.has(id) ? NO_BYTES : decoder.bytesOf(inner.id_to_token(id) ?? '');
    },
    stripLeadingSpaces: decoder.stripLeadingSpaces,
  };
}

/** A vocabulary without a token for the unknown has none for some texts; the graph must not see that. */
function known(ids: number[]): number[] {
  if (ids.every((id) => Number.isSafeInteger(id) && id >= 0)) return ids;
  throw new TwowattError('model_unavailable', 'tokenizer.json: it has no token for this text', {
    param: 'tokenizer.json',
  });
}

const NO_BYTES = new Uint8Array(0);

/**
 * The same tokenizer, vocabulary and merges shared, that takes special tokens' names for plain text.
 * A second instance would hold the merges twice, tens of MB with a vocabulary of 100,000.
 */
function withoutSpecials(inner: Inner): Inner {
  const kept = inner.added_tokens.filter((token) => !token.special);
  const Split = inner.splitter_unnormalized.constructor;
  const words = (normalized: boolean) =>
    kept.filter((token) => token.normalized === normalized).map((token) => token.content);
  return Object.create(inner, {
    splitter_unnormalized: { value: new Split(words(false)) },
    splitter_normalized: { value: new Split(words(true)) },
    added_tokens_map: {
      value: new Map([...inner.added_tokens_map].filter(([, token]) => !token.special)),
    },
  }) as Inner;
}

const escapeForRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
