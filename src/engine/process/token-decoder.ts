import { LoadError } from './load-error.ts';

/** How a tokenizer's decoder turns token names into bytes. */
export type DecoderRules = {
  bytesOf(name: string): Uint8Array;
  stripLeadingSpaces: number;
};

const BYTE_NAME = /^<0x([0-9A-Fa-f]{2})>$/;

/**
 * Reads the `decoder` of tokenizer.json. Served are SentencePiece decoders, whose tokens decode
 * independently of each other: Replace and Metaspace (a mark for spaces), ByteFallback, Fuse, and
 * Strip of spaces at the front. Others could not be streamed and are refused by name.
 */
export function readDecoder(decoder: unknown): DecoderRules {
  const replacements: { from: string; to: string }[] = [];
  let byteFallback = false;
  let stripLeadingSpaces = 0;
  for (const step of flatten(decoder)) {
    switch (step['type']) {
      case 'Replace': {
        const from = (step['pattern'] as { String?: unknown } | undefined)?.String;
        if (typeof from !== 'string') refuse('Replace by regular expression');
        else replacements.push({ from, to: textOr(step['content'], '') });
        break;
      }
      case 'Metaspace':
        replacements.push({ from: textOr(step['replacement'], '\u2581'), to: ' ' });
        if (step['prepend_scheme'] !== 'never' && step['add_prefix_space'] !== false) {
          stripLeadingSpaces = 1;
        }
        break;
      case 'ByteFallback':
        byteFallback = true;
        break;
      case 'Fuse':
        break;
      case 'Strip':
        if (step['content'] !== ' ' || Number(step['stop'] ?? 0) !== 0) refuse('Strip of an end');
        stripLeadingSpaces = Number(step['start'] ?? 0);
        break;
      default:
        refuse(textOr(step['type'], 'without a type'));
    }
  }
  const encoder = new TextEncoder();
  return {
    stripLeadingSpaces,
    bytesOf(name) {
      const byte = byteFallback ? BYTE_NAME.exec(name) : null;
      if (byte) return Uint8Array.of(Number.parseInt(byte[1] as string, 16));
      let text = name;
      for (const { from, to } of replacements) text = text.replaceAll(from, to);
      return encoder.encode(text);
    },
  };
}

const textOr = (value: unknown, other: string): string =>
  typeof value === 'string' ? value : other;

function flatten(decoder: unknown): Record<string, unknown>[] {
  if (typeof decoder !== 'object' || decoder === null) return [];
  const step = decoder as Record<string, unknown>;
  if (step['type'] !== 'Sequence') return [step];
  return Array.isArray(step['decoders']) ? step['decoders'].flatMap(flatten) : [];
}

function refuse(what: string): never {
  throw new LoadError('model_corrupt', `tokenizer.json: decoder ${what} is not supported`, {
    param: 'tokenizer.json',
  });
}
