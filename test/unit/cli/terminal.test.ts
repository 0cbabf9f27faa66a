import { describe, expect, it } from 'vitest';
import { readableLogLine } from '../../../src/cli/log-format.ts';
import { displayWidth, wrap } from '../../../src/cli/terminal.ts';

describe('displayWidth', () => {
  it.each([
    ['abc', 3],
    ['把灯调到30%', 11],
    ['「好」', 6],
    ['🔌', 2],
    ['19 °C', 5],
  ])('%s takes %i columns', (text, width) => expect(displayWidth(text)).toBe(width));
});

describe('wrap', () => {
  it('breaks at blanks and keeps every line within the width', () => {
    expect(wrap('turn the fan off now', 9)).toEqual(['turn the', 'fan off', 'now']);
  });

  it('breaks Chinese anywhere and long words where it must', () => {
    expect(wrap('把地下室的风扇', 6)).toEqual(['把地下', '室的风', '扇']);
    expect(wrap('{"intent":"off"}', 6)).toEqual(['{"inte', 'nt":"o', 'ff"}']);
  });

  it('keeps line breaks, short text and nothing as they are', () => {
    expect(wrap('a\nb', 10)).toEqual(['a', 'b']);
    expect(wrap('', 10)).toEqual(['']);
  });

  it('loses no character', () => {
    const text = '帮我看看 disk=90%; humidity=89% 是否正常 and a veryveryverylongword';
    for (let width = 4; width < 40; width++) {
      const lines = wrap(text, width);
      expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
      expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(width);
    }
  });
});

describe('readableLogLine', () => {
  const plain = (_style: string, text: string) => text;

  it('puts time, level and message first, then the fields', () => {
    const entry = {
      level: 'warn',
      time: '2026-01-02T03:04:05.678Z',
      node: 'pi-1a2b',
      why: 'two words',
      error: { type: 'Error', message: 'it broke', stack: 'Error: it broke\n at x' },
      count: 3,
      msg: 'broker gone',
    };
    expect(readableLogLine(`${JSON.stringify(entry)}\n`, plain)).toBe(
      '03:04:05 warn  broker gone node=pi-1a2b why="two words" error="it broke" count=3\n',
    );
  });

  it('passes on what is no log entry', () => {
    expect(readableLogLine('plain text\n', plain)).toBe('plain text\n');
  });
});
