import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';

const PAGE = join(import.meta.dirname, '../../../dist/fleet/web');
const MOST_BYTES = 250 * 1024;

const files = readdirSync(PAGE, { recursive: true, encoding: 'utf8' }).filter((name) =>
  statSync(join(PAGE, name)).isFile(),
);
const read = (name: string): string => readFileSync(join(PAGE, name), 'utf8');

/** What a browser loads for a page: the page, and all that it names, directly or through a script. */
function loadedBy(page: string): string[] {
  const seen = new Set([page, 'favicon.svg']);
  const names = files.filter((name) => name.startsWith('assets/') && !name.endsWith('.gz'));
  const visit = (text: string): void => {
    for (const name of names) {
      if (seen.has(name) || !text.includes(name.slice('assets/'.length))) continue;
      seen.add(name);
      visit(read(name));
    }
  };
  visit(read(page));
  return [...seen];
}

describe.each(['index.html', 'board.html'])('%s as built', (page) => {
  it('weighs at most 250 KB packed', () => {
    const loaded = loadedBy(page);
    expect(loaded.some((name) => name.endsWith('.js'))).toBe(true);
    expect(loaded.some((name) => name.endsWith('.css'))).toBe(true);
    const bytes = loaded.reduce((sum, name) => sum + gzipSync(read(name)).length, 0);
    expect(bytes).toBeLessThan(MOST_BYTES);
    // A page without its code would be light as well.
    expect(bytes).toBeGreaterThan(20_000);
  });

  it('has no script and no style in it, and loads nothing from elsewhere', () => {
    const html = read(page);
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/);
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=/);
    expect(html).not.toMatch(/(src|href)="(https?:)?\/\//);
    for (const name of loadedBy(page).filter((file) => file.endsWith('.css'))) {
      expect(read(name)).not.toMatch(/url\(|@import/);
    }
  });

  it('lies beside its packed form, which says the same', async () => {
    const { gunzipSync } = await import('node:zlib');
    for (const name of loadedBy(page)) {
      expect(gunzipSync(readFileSync(join(PAGE, `${name}.gz`))).toString(), name).toBe(read(name));
    }
  });
});
