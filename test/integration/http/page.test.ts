import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Board, DECISION, startBoard } from './fixture.ts';

let board: Board;
afterEach(() => board.stop());

const ASSETS = join(import.meta.dirname, '../../../dist/fleet/web/assets');

describe('the board’s own page', () => {
  it('comes without a token, with everything that it needs, and shows nothing without one', async () => {
    board = await startBoard({ http: { token: 'open sesame' } });
    const page = await fetch(`${board.url}/`);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toContain('text/html');
    const policy = page.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toContain('unsafe');
    const files = [...(await page.text()).matchAll(/(?:src|href)="(?:\.\/)?([^"]+)"/g)];
    expect(files.length).toBeGreaterThan(2);
    for (const [, file = ''] of files) {
      const response = await fetch(`${board.url}/${file}`);
      expect(response.status, file).toBe(200);
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    }
    for (const path of ['/api/decisions', '/api/telemetry', '/api/events']) {
      expect((await fetch(board.url + path)).status).toBe(401);
    }
  });

  it('is sent packed to those who can unpack it', async () => {
    board = await startBoard();
    const script = readdirSync(ASSETS).find((name) => name.endsWith('.js')) ?? '';
    const raw = (encoding: string) =>
      fetch(`${board.url}/assets/${script}`, { headers: { 'accept-encoding': encoding } });
    const plain = await raw('identity');
    const packed = await raw('gzip');
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    expect(packed.headers.get('cache-control')).toContain('immutable');
    expect(Number(packed.headers.get('content-length'))).toBeLessThan(
      Number(plain.headers.get('content-length')) / 2,
    );
    // fetch has unpacked it.
    expect(await packed.text()).toBe(await plain.text());
  });

  it('hands out no other file', async () => {
    board = await startBoard();
    for (const path of [
      '/assets/..%2f..%2f..%2fcli%2fmain.js',
      '/assets/%2e%2e/index.html',
      '/assets/nothing.js',
      '/assets/',
      '/index.html',
      '/favicon.svg.gz',
    ]) {
      expect((await fetch(board.url + path)).status, path).toBeGreaterThanOrEqual(400);
    }
  });

  it('says so when it was not built', async () => {
    board = await startBoard({ http: { pageFolder: '/nonexistent' } });
    const response = await fetch(`${board.url}/`);
    expect(response.status).toBe(404);
    expect(await response.text()).toContain('is the page built?');
  });

  it('gets the last decisions from the board', async () => {
    board = await startBoard();
    const response = await fetch(`${board.url}/api/decisions`);
    expect(await response.json()).toEqual({ decisions: [DECISION] });
  });
});
