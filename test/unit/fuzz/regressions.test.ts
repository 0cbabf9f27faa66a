import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Target } from '../../../fuzz/expect.ts';

const FUZZ = resolve(import.meta.dirname, '../../../fuzz');
// A worker of the test runner ends without the event by which targets clean up.
const scratch = mkdtempSync(join(tmpdir(), 'twowatt-fuzz-'));
process.env['FUZZ_SCRATCH'] = scratch;
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
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
