import { painter } from '../terminal.ts';
import { type Line, paintLine } from './view.ts';

const ALTERNATE_SCREEN = '\u001B[?1049h';
const MAIN_SCREEN = '\u001B[?1049l';
const HIDE_CURSOR = '\u001B[?25l';
const SHOW_CURSOR = '\u001B[?25h';
const HOME = '\u001B[H';
const CLEAR_LINE_END = '\u001B[K';
const CLEAR_BELOW = '\u001B[J';
const LEAVE_KEYS = new Set(['q', 'Q', '\u001B']);
const CTRL_C = '\u0003';

export type LeaveReason = 'quit' | 'interrupted';

export type Screen = {
  draw(): void;
  /** Gives the terminal back as it was. */
  close(): void;
};

/** A full-screen view that is drawn anew when told to and when the terminal changes its size. */
export function openScreen(options: {
  input: NodeJS.ReadStream;
  output: NodeJS.WriteStream;
  lines: (size: { columns: number; rows: number }) => Line[];
  onLeave: (reason: LeaveReason) => void;
}): Screen {
  const { input, output } = options;
  const paint = painter(output);
  const draw = () => {
    // A terminal may say that it has no columns at all while it is being made smaller.
    const columns = Math.max(1, output.columns || 80);
    const rows = Math.max(1, output.rows || 24);
    const lines = options.lines({ columns, rows }).map((line) => paintLine(line, columns, paint));
    // No line break after the last line: it would scroll.
    output.write(HOME + lines.map((line) => line + CLEAR_LINE_END).join('\n') + CLEAR_BELOW);
  };
  const onKey = (key: Buffer) => {
    const text = key.toString();
    if (text.includes(CTRL_C)) options.onLeave('interrupted');
    else if (LEAVE_KEYS.has(text)) options.onLeave('quit');
  };
  output.write(ALTERNATE_SCREEN + HIDE_CURSOR);
  output.on('resize', draw);
  if (input.isTTY) {
    input.setRawMode(true);
    input.resume();
    input.on('data', onKey);
  }
  return {
    draw,
    close() {
      output.off('resize', draw);
      if (input.isTTY) {
        input.off('data', onKey);
        input.setRawMode(false);
        input.pause();
      }
      output.write(SHOW_CURSOR + MAIN_SCREEN);
    },
  };
}
