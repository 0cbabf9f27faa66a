/**
 * Turns tokens into text as they come. The pieces joined are the whole answer, and no piece ends
 * inside a character: bytes of an unfinished character wait for the rest, and what never becomes one
 * turns into U+FFFD when the next token proves it, or at the end. Each token costs its own bytes only.
 */
export interface Detokenizer {
  push(token: number): string;
  flush(): string;
}

/** Bytes that a token stands for; empty for special tokens. */
export type TokenBytes = (token: number) => Uint8Array;

export function createDetokenizer(bytesOf: TokenBytes, stripLeadingSpaces = 0): Detokenizer {
  // A byte order mark in the middle of an answer is a character like any other.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let toStrip = stripLeadingSpaces;
  const strip = (text: string): string => {
    let at = 0;
    while (toStrip > 0 && at < text.length) {
      if (text[at] !== ' ') {
        toStrip = 0;
        break;
      }
      at += 1;
      toStrip -= 1;
    }
    return at === 0 ? text : text.slice(at);
  };
  return {
    push: (token) => strip(decoder.decode(bytesOf(token), { stream: true })),
    flush: () => strip(decoder.decode()),
  };
}
