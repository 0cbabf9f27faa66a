import { describe, expect, it } from 'vitest';
import { IndentedWriter } from '../../../src/cli/demo-screen.ts';
import { displayWidth } from '../../../src/cli/terminal.ts';

function written(pieces: string[], width: number): string {
  let out = '';
  const writer = new IndentedWriter((text) => (out += text), '  ', width);
  for (const piece of pieces) writer.write(piece);
  writer.end();
  return out;
}

describe('IndentedWriter', () => {
  it('breaks streamed words at blanks, however the stream was cut', () => {
    expect(written(['turn the bathroom fan off'], 10)).toBe('turn the \n  bathroom \n  fan off');
    expect(written(Array.from('turn the bathroom fan off'), 10)).toBe(
      'turn the \n  bathroom \n  fan off',
    );
  });

  it('breaks JSON after commas, Chinese anywhere, and long words where it must', () => {
    expect(written(['{"a":1,"b":2,"c":3}'], 8)).toBe('{"a":1,\n  "b":2,\n  "c":3}');
    expect(written(['警告：湿度偏高'], 6)).toBe('警告：\n  湿度偏\n  高');
    expect(written(['abcdefghij'], 4)).toBe('abcd\n  efgh\n  ij');
    expect(written(['a\nb'], 4)).toBe('a\n  b');
  });

  it('writes a word as soon as it is whole, loses nothing and keeps within the width', () => {
    const seen: string[] = [];
    const writer = new IndentedWriter((text) => seen.push(text), '  ', 20);
    writer.write('now th');
    expect(seen.join('')).toBe('now ');
    const text = '严重：磁盘占用95%将满（限值95），delete old logs now, averyveryverylongword';
    for (let width = 4; width < 60; width++) {
      const out = written(Array.from(text), width);
      expect(out.replaceAll(/\n {2}/g, '')).toBe(text);
      const widest = Math.max(...out.split('\n  ').map((line) => displayWidth(line.trimEnd())));
      expect(widest).toBeLessThanOrEqual(width);
    }
  });
});
