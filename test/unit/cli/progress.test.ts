import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createProgressView } from '../../../src/cli/progress.ts';

/** A stream that keeps what is written, and is a terminal or not. */
function recordingStream(isTTY: boolean) {
  const stream = new PassThrough();
  const written: string[] = [];
  stream.on('data', (chunk: Buffer) => written.push(chunk.toString()));
  const asTerminal = Object.assign(stream, { isTTY, columns: 80 });
  return { stream: asTerminal as unknown as NodeJS.WriteStream, written };
}

describe('createProgressView', () => {
  it('says a few plain lines where there is no terminal', () => {
    const { stream, written } = recordingStream(false);
    const view = createProgressView(stream);
    for (let done = 0; done <= 1000; done++) view.update('working', done, 1000);
    view.end();
    expect(written).toEqual([0, 25, 50, 75, 100].map((percent) => `working: ${percent} %\n`));
  });

  it('redraws one line on a terminal, only when it changes, and clears it at the end', () => {
    const { stream, written } = recordingStream(true);
    const view = createProgressView(stream);
    for (let done = 0; done <= 1000; done++) view.update('working', done, 1000);
    expect(written.length).toBeLessThan(150);
    expect(written.join('')).not.toContain('\n');
    expect(written.at(-1)).toContain('100 %');
    view.end();
    expect(written.at(-1)).toBe('\r\u001B[K');
  });

  it('survives a total of nothing', () => {
    const { stream, written } = recordingStream(false);
    createProgressView(stream).update('working', 0, 0);
    expect(written).toEqual(['working: 0 %\n']);
  });
});
