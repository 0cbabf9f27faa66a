import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detect } from '../../../../src/router/privacy/index.ts';
import { ADVERSARIAL } from '../../../corpus/privacy/adversarial.ts';

const found = (text: string) =>
  detect(text).map(({ kind, start, end }) => `${kind} ${text.slice(start, end)}`);

describe('detect', () => {
  it.each([
    ['身份证11010519491231002X。', 'resident_id 11010519491231002X'],
    ['ID 110105 19491231 002x ok', 'resident_id 110105 19491231 002x'],
    ['卡号4111 1111 1111 1111', 'bank_card 4111 1111 1111 1111'],
    ['4111 1111 1111 1111 123', 'bank_card 4111 1111 1111 1111'],
    ['１３８００１３８０００打不通', 'phone １３８００１３８０００'],
    ['138\u200b0013\u200b8000', 'phone 138\u200b0013\u200b8000'],
    ['拨打010-87654321转8012', 'phone 010-87654321转8012'],
    ['+1 (415) 555-2671 rings', 'phone +1 (415) 555-2671'],
    ['电话：87654321', 'phone 87654321'],
    ['a.b+c@mail.example.co.uk.', 'email a.b+c@mail.example.co.uk'],
    ['zhang＠qq.com', 'email zhang＠qq.com'],
    ['at 192.168.1.34:80', 'ip 192.168.1.34'],
    ['来源：fe80::1ff:fe23:4567:890a', 'ip fe80::1ff:fe23:4567:890a'],
    ['source:2001:db8::1', 'ip 2001:db8::1'],
    ['B8-27-EB-01-02-03', 'mac B8-27-EB-01-02-03'],
    ['31.2304, 121.4737', 'coordinates 31.2304, 121.4737'],
    ['GB82 WEST 1234 5698 7654 32', 'iban GB82 WEST 1234 5698 7654 32'],
    ['京A·12345停在楼下', 'plate 京A·12345'],
    ['护照号E12345678', 'passport E12345678'],
    ['password: hunter2.', 'secret hunter2'],
    ['https://me:s3cret@host/x', 'secret s3cret'],
    [String.raw`{"password":"pa\"ss1"}`, String.raw`secret pa\"ss1`],
    ['password: abcd"ef9', 'secret abcd"ef9'],
    ['passwd=$ecret%99', 'secret $ecret%99'],
    ['mysql --password 50757100 -u me', 'secret 50757100'],
    ['authorization: basic dXNlcjpwYXNz', 'secret dXNlcjpwYXNz'],
    ['-----BEGIN PRIVATE KEY-----\nMIIE', 'secret -----BEGIN PRIVATE KEY-----\nMIIE'],
  ])('finds in %j: %s', (text, expected) => {
    expect(found(text)).toEqual([expected]);
  });

  it.each([
    ['11010519491231002X with a wrong check', '110105194912310021'],
    ['a resident id of 31 February', '110105199002310018'],
    ['a card with a wrong check digit', 'card 4111 1111 1111 1112'],
    ['a version', 'firmware 5.10.0.12'],
    ['localhost', 'listens on 127.0.0.1 and ::1'],
    ['a scope', 'std::vector a::b'],
    ['a time stamp of six pairs', 'log 24-05-06-12-30-45'],
    ['two readings', '23.45, 67.89'],
    ['three axes', '10.1234, 20.1234, 9.8100'],
    ['an order', '订单号13912345678'],
    ['a GPIO pin', 'pin: 17'],
    ['a token limit', 'max_tokens: 4096'],
    ['a placeholder of documentation', 'password: <your-password>, token: ${TOKEN}'],
    ['basic in prose', 'a bearer certificate, basic training.'],
    ['a paragraph', 'Section 2022(a) applies. The rest'],
    ['a repository', 'git@github.com:a/b.git'],
    ['a commit', 'commit 1f4c9f0c2f6d8d0c5b3a4f0e9d8c7b6a5f4e3d2c'],
  ])('leaves %s alone', (_, text) => {
    expect(found(text)).toEqual([]);
  });

  it('hides the whole of two findings that overlap', () => {
    const text = 'password=a@b.example.com!x';
    expect(detect(text)).toEqual([{ kind: 'secret', start: 9, end: text.length }]);
  });

  it('carries nothing but kind and place', () => {
    const finding = detect('4111 1111 1111 1111')[0];
    expect(Object.keys(finding ?? {}).toSorted()).toEqual(['end', 'kind', 'start']);
  });

  it('throws on no string, and findings lie in order inside it', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.string({ unit: fc.constantFrom(...Object.keys(ADVERSARIAL)), maxLength: 40 }),
    );
    fc.assert(
      fc.property(text, (string) => {
        let last = 0;
        for (const { start, end } of detect(string)) {
          expect(start).toBeGreaterThanOrEqual(last);
          expect(end).toBeGreaterThan(start);
          expect(end).toBeLessThanOrEqual(string.length);
          last = end;
        }
      }),
      { numRuns: 2000 },
    );
  });

  // A pattern that backtracks over 64 Ki characters would not end within the test's time limit;
  // `npm run bench:privacy` measures how the time grows.
  it.each(Object.entries(ADVERSARIAL))('ends on 64 KiB of %j', (_, make) => {
    const text = make(64 * 1024);
    expect(() => detect(text)).not.toThrow();
  });
});
