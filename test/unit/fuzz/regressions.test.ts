import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Target } from '../../../fuzz/expect.ts';

const FUZZ = resolve(import.meta.dirname, '../../../fuzz');
const names = readdirSync(join(FUZZ, 'targets')).map((file) => basename(file, '.ts'));

function regressions(name: string): string[] {
  try {
    return readdirSync(join(FUZZ, 'regressions', name)).map((file) =>
      join(FUZZ, 'regressions', name, file),
    );
  } catch {
    return [];
  }
}

describe('what the fuzzer once found stays mended', () => {
  it.each(names)('%s', async (name) => {
    const target = (await import(join(FUZZ, 'targets', `${name}.ts`))) as Target;
    expect(target.name).toBe(name);
    for (const seed of target.seeds()) await target.fuzz(Buffer.from(seed));
    for (const file of regressions(name)) await target.fuzz(readFileSync(file));
  });

  it('has no folder of regressions without a target', () => {
    expect(names).toEqual(expect.arrayContaining(readdirSync(join(FUZZ, 'regressions'))));
  });
});
