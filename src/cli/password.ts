import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

/** One line from the terminal that is not shown, or the first line of what is piped in. */
export function readPassword(prompt: string): Promise<string> {
  const onTerminal = process.stdin.isTTY;
  if (onTerminal) process.stderr.write(prompt);
  const lines = createInterface({
    input: process.stdin,
    // readline would print what is typed.
    output: new Writable({ write: (_chunk, _encoding, done) => done() }),
    terminal: onTerminal,
  });
  return new Promise((resolve) => {
    let answer = '';
    lines.once('line', (line) => {
      answer = line;
      lines.close();
    });
    lines.once('close', () => {
      if (onTerminal) process.stderr.write('\n');
      resolve(answer);
    });
  });
}
