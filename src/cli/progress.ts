import { columns, painter } from './terminal.ts';

/** Shows how far long work is. Labels may change on the way; `end` leaves the line free. */
export interface ProgressView {
  update(label: string, done: number, total: number): void;
  end(): void;
}

/** Plain lines say something this often, in parts of the whole. */
const PLAIN_STEPS = 4;
const BAR_COLUMNS = 30;

/** A bar that redraws itself on a terminal; a few plain lines in logs and pipes. */
export function createProgressView(stream: NodeJS.WriteStream = process.stderr): ProgressView {
  return stream.isTTY ? barView(stream) : plainView(stream);
}

function barView(stream: NodeJS.WriteStream): ProgressView {
  const paint = painter(stream);
  let shown = '';
  return {
    update(label, done, total) {
      const part = total > 0 ? Math.min(1, done / total) : 0;
      const full = Math.round(part * BAR_COLUMNS);
      const bar = paint('green', '█'.repeat(full)) + paint('dim', '░'.repeat(BAR_COLUMNS - full));
      const room = columns(stream) - BAR_COLUMNS - 8;
      const line = `${label.slice(0, room)} ${bar} ${String(Math.floor(part * 100)).padStart(3)} %`;
      if (line === shown) return;
      shown = line;
      stream.write(`\r\u001B[K${line}`);
    },
    end() {
      if (shown !== '') stream.write('\r\u001B[K');
      shown = '';
    },
  };
}

function plainView(stream: NodeJS.WriteStream): ProgressView {
  let said = '';
  return {
    update(label, done, total) {
      const part = total > 0 ? Math.floor((done / total) * PLAIN_STEPS) / PLAIN_STEPS : 0;
      const line = `${label}: ${Math.round(part * 100)} %`;
      if (line === said) return;
      said = line;
      stream.write(`${line}\n`);
    },
    end() {
      said = '';
    },
  };
}
