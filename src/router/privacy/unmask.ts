import type { Placeholders } from './placeholders.ts';
import { readPlaceholder, readPlaceholders } from './placeholder-reader.ts';

/** Puts the values back. Placeholders that stand for nothing stay as they are. */
export function unmask(text: string, placeholders: Placeholders): string {
  let out = '';
  let from = 0;
  for (const { start, end, word, number } of readPlaceholders(text, placeholders)) {
    out += text.slice(from, start) + (placeholders.value(word, number) as string);
    from = end;
  }
  return out + text.slice(from);
}

/** `unmask` for text that arrives in pieces. */
export type Unmasker = {
  /** What may go out now: never half a placeholder, and nothing is held that cannot become one. */
  push(piece: string): string;
  /** The end of the text: what was held back. */
  flush(): string;
};

/** However the text is cut, the pieces that come out are together what `unmask` makes of the whole. */
export function createUnmasker(placeholders: Placeholders): Unmasker {
  /** One character that has gone out (it decides whether a name goes on), then what is held. */
  let buffer = '';
  let from = 0;

  const advance = (complete: boolean): string => {
    if (placeholders.size === 0) {
      const all = buffer.slice(from);
      buffer = '';
      from = 0;
      return all;
    }
    let out = '';
    while (from < buffer.length) {
      const reading = readPlaceholder(buffer, from, placeholders, complete);
      if (reading === 'unfinished') break;
      if (reading === 'no') {
        out += buffer[from] as string;
        from += 1;
      } else {
        out += placeholders.value(reading.word, reading.number) as string;
        from = reading.end;
      }
    }
    const keep = Math.max(0, from - 1);
    buffer = buffer.slice(keep);
    from -= keep;
    return out;
  };

  return {
    push(piece) {
      buffer += piece;
      return advance(false);
    },
    flush: () => advance(true),
  };
}
