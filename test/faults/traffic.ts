import type { Device } from '../e2e/harness.ts';
import type { Asked } from './accounts.ts';

/** A broker that is killed forgets what it had taken: devices that care ask again, with the same id. */
const ASK_AGAIN_MS = 8_000;
const LOOK_EVERY_MS = 25;

const CONTENTS = [
  '把客厅的灯调到30%',
  'turn off the fan in the bedroom',
  '地下室除湿器打开10分钟',
  'what is MQTT',
  '厨房现在多少度',
  'close the garage door',
  '十分钟后关闭走廊的灯',
  'set the heater in the study to 21 degrees',
];

export type Traffic = {
  asked: Asked[];
  /** Prompts that have their terminal frame. */
  answered(): number;
  /** How often a prompt was asked again. */
  askedAgain(): number;
  /** Asks nothing new, but again what has no answer yet; resolves when all have one. */
  finish(timeoutMs: number): Promise<void>;
};

/**
 * A device that always has `open` prompts under way: whole and streamed ones, sessions, priorities,
 * short deadlines. What it asks follows from `random`; when, from the answers.
 */
export function startTraffic(
  device: Device,
  { random, open, prefix = 'p' }: { random: () => number; open: number; prefix?: string },
): Traffic {
  const asked: Asked[] = [];
  const waiting = new Map<string, { body: object; askedAtMs: number }>();
  let answered = 0;
  let again = 0;
  let finishing = false;

  const publish = (body: object) => {
    // Fails only when the connection is closed for good, at the end of a test.
    device.prompt(body).catch(() => {});
  };
  function ask(): void {
    const n = asked.length;
    const id = `${prefix}${n}`;
    const deadlineMs = random() < 0.15 ? Math.round(300 + random() * 4000) : null;
    const body = {
      id,
      max_tokens: 48,
      stream: random() < 0.5,
      priority: Math.floor(random() * 10),
      messages: [{ role: 'user', content: CONTENTS[n % CONTENTS.length] }],
      // Long answers give a kill something to hit.
      ...(random() < 0.3 ? { max_tokens: 120, temperature: 2, seed: n } : {}),
      ...(random() < 0.2 ? { session: `talk-${Math.floor(n / 40)}` } : {}),
      ...(deadlineMs === null ? {} : { deadline_ms: deadlineMs }),
    };
    asked.push({ id, deadlineMs });
    waiting.set(id, { body, askedAtMs: performance.now() });
    publish(body);
  }
  function look(): void {
    for (const [id, one] of waiting) {
      if (device.terminals(id).length > 0) {
        waiting.delete(id);
        answered += 1;
      } else if (performance.now() - one.askedAtMs > ASK_AGAIN_MS && device.client.connected) {
        one.askedAtMs = performance.now();
        again += 1;
        publish(one.body);
      }
    }
    if (finishing) return;
    while (waiting.size < open) ask();
  }
  const timer = setInterval(look, LOOK_EVERY_MS);

  return {
    asked,
    answered: () => answered,
    askedAgain: () => again,
    async finish(timeoutMs) {
      finishing = true;
      const end = performance.now() + timeoutMs;
      while (waiting.size > 0 && performance.now() < end) {
        await new Promise((wake) => setTimeout(wake, LOOK_EVERY_MS));
      }
      clearInterval(timer);
    },
  };
}
