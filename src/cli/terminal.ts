import { styleText } from 'node:util';

type Format = Parameters<typeof styleText>[0];

/** Styles text only where a person sees it: on a terminal, and unless NO_COLOR asks otherwise. */
export function painter(stream: NodeJS.WriteStream): (format: Format, text: string) => string {
  return (format, text) => styleText(format, text, { stream });
}

/** Columns of the terminal, kept to what reads well; 80 where there is none. */
export function columns(stream: NodeJS.WriteStream): number {
  return Math.min(100, Math.max(40, stream.isTTY ? stream.columns : 80));
}

/** Characters that terminals draw two columns wide: CJK, kana, hangul, full-width forms, emoji. */
const WIDE =
  /[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE4F\uFF00-\uFF60\uFFE0-\uFFE6\u{1F300}-\u{1FAFF}\u{20000}-\u{3FFFD}]/u;

/** Columns that `text` takes on a terminal. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += WIDE.test(character) ? 2 : 1;
  return width;
}

/** Breaks text into lines of at most `width` columns: at blanks, between wide characters, else anywhere. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const piece of paragraph.match(/\s+|[^\s\u2E80-\uFFE6]+|./gu) ?? []) {
      if (displayWidth(line + piece.trimEnd()) <= width) {
        line += piece;
        continue;
      }
      if (line.trim() !== '') lines.push(line.trimEnd());
      line = '';
      let rest = piece.trimStart();
      while (displayWidth(rest) > width) {
        let head = '';
        for (const character of rest) {
          if (displayWidth(head + character) > width) break;
          head += character;
        }
        lines.push(head);
        rest = rest.slice(head.length);
      }
      line = rest;
    }
    lines.push(line.trimEnd());
  }
  return lines;
}
