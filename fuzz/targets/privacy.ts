import { gate, unmask } from '../../src/router/privacy/index.ts';
import { scorePrompt } from '../../src/router/scorer.ts';
import { ensure, inTime } from '../expect.ts';

/** The privacy gate and the difficulty score on any text: linear time, and what is masked comes back. */
export const name = 'privacy';

export const seeds = () => [
  'call me at +86 138 0013 8000 or mail li.wei@example.com, card 6222 0200 1234 5678 901',
  '身份证 11010519491231002X，车牌京A12345，密码是 hunter2，IP 192.168.1.17',
  'api_key=sk-abcdefghijklmnopqrstuvwxyz0123456789 token: eyJhbGciOi.J9.x [PHONE_1] [EMAIL_1]',
  'GB29 NWBK 6016 1331 9268 19 at 48.8583, 2.2945; 00:1B:44:11:3A:B7; [SECRET_1][SECRET_1',
  `${'1'.repeat(80)} ${'a@'.repeat(40)} ${'password '.repeat(20)}`,
];

export function fuzz(data: Buffer): void {
  const text = data.toString();
  inTime(() => scorePrompt(text));
  const messages = [{ role: 'user' as const, content: text }];
  const verdict = inTime(() => gate({ messages }, 'redact'));
  ensure(verdict.mayLeave, 'no detector throws');
  const masked = verdict.messages[0]?.content ?? '';
  ensure(unmask(masked, verdict.placeholders) === text, 'what is masked comes back');
  const pieces = verdict.createUnmasker();
  let streamed = '';
  for (let at = 0; at < masked.length; at += 3) streamed += pieces.push(masked.slice(at, at + 3));
  ensure(streamed + pieces.flush() === text, 'also in pieces');
  ensure(!gate({ messages }, 'local').mayLeave, 'local stays');
}
