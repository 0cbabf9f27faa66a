import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createGuard } from '../../../src/gateway/http/guard.ts';

const guard = createGuard({ host: '0.0.0.0', token: 'right token', allowedHosts: [] });
const opens = (authorization: string | undefined): boolean => {
  try {
    guard.checkToken(authorization === undefined ? {} : { authorization });
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'unauthorized' });
    return false;
  }
};

describe('the bearer token', () => {
  it.each(['Bearer right token', 'bearer right token', 'BEARER   right token  '])(
    'opens as %j',
    (authorization) => expect(opens(authorization)).toBe(true),
  );

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Bearer right',
    'Bearer right token2',
    'Bearer right  token',
    'Bearer Right token',
    'right token',
    'Basic right token',
    'Bearer\u0000right token',
  ])('does not open as %j', (authorization) => expect(opens(authorization)).toBe(false));

  // What used to read it took half a second for the longest head, and four times as long for twice as much.
  it('is read in linear time', { timeout: 5000 }, () => {
    expect(opens(`Bearer${' '.repeat(400_000)}\u00a0`)).toBe(false);
    expect(opens(`Bearer ${' a'.repeat(200_000)}`)).toBe(false);
  });

  // Timings cannot be proven by a test that may not flake, so the one comparison is held to its form.
  it('is compared as digests of one length, in constant time', () => {
    const source = readFileSync(
      resolve(import.meta.dirname, '../../../src/gateway/http/guard.ts'),
      'utf8',
    );
    expect(source).toContain('timingSafeEqual(digest(given), expected)');
    expect(source).not.toMatch(/(given|token|expected) *[!=]==? *(given|token|expected)\b/);
  });
});

describe('the origin of a request on loopback', () => {
  const local = createGuard({ host: '127.0.0.1', token: undefined, allowedHosts: ['a.example'] });
  const passes = (host: string | undefined, origin?: string): boolean => {
    try {
      local.checkSource({
        ...(host !== undefined && { host }),
        ...(origin !== undefined && { origin }),
      });
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: 'invalid_request' });
      return false;
    }
  };

  it.each([
    ['localhost:8470', undefined],
    ['127.0.0.1', 'http://127.0.0.1'],
    ['[::1]:8470', 'http://[::1]:8470'],
    ['A.example:80', undefined],
  ])('is ours: host %s, origin %s', (host, origin) => expect(passes(host, origin)).toBe(true));

  it.each([
    [undefined, undefined],
    ['evil.example', undefined],
    ['localhost.evil.example', undefined],
    ['127.0.0.1.evil.example:8470', undefined],
    ['localhost', 'http://evil.example'],
    ['localhost', 'null'],
    ['localhost:8470', 'http://localhost:9999'],
  ])('is not ours: host %s, origin %s', (host, origin) => expect(passes(host, origin)).toBe(false));
});
