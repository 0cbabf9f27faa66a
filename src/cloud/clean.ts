import type { CloudRequest } from './types.ts';

const LONGEST_MESSAGE = 200;
/** Shorter common runs happen by chance; longer ones would let names and numbers through. */
const ECHO_LENGTH = 8;
const ECHO_LENGTH_WIDE = 4;

const SECRETS = /\b(bearer\s+\S+|(sk|bce|key|ak|pk)[-_][\w.+/=-]{6,}|[\w+/=-]{32,})/gi;

function decodeEscapes(text: string): string {
  return text.replace(/\\u([0-9a-f]{4})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

const squeeze = (text: string): string => text.replace(/[\s\p{C}]+/gu, ' ').trim();

/** True when some run of `message` stands in `text`: servers like to quote the input that they refuse. */
function echoes(message: string, text: string): boolean {
  if (text === '') return false;
  const said = message.toLowerCase();
  const asked = squeeze(text).toLowerCase();
  for (let at = 0; at < said.length; at++) {
    // A Chinese character carries about as much as two to three letters.
    const length = said.charCodeAt(at) > 0x2e80 ? ECHO_LENGTH_WIDE : ECHO_LENGTH;
    const run = said.slice(at, at + length);
    if (run.length === length && asked.includes(run)) return true;
  }
  return asked.length >= 2 && said.includes(`"${asked}"`);
}

/**
 * A provider's error text made fit to be shown: one line, at most 200 characters, without control
 * characters and without what looks like a key. Empty when it quotes the prompt.
 */
export function cleanMessage(raw: string, request: CloudRequest, apiKey: string | null): string {
  const bounded = decodeEscapes(raw.slice(0, 4096));
  const keyless = apiKey === null ? bounded : bounded.replaceAll(apiKey, '***');
  const message = squeeze(keyless).replace(SECRETS, '***').slice(0, LONGEST_MESSAGE);
  const texts = [request.prompt ?? '', ...(request.messages ?? []).map(({ content }) => content)];
  return texts.some((text) => echoes(message, text)) ? '' : message;
}
