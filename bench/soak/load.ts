import { connectAsync, type MqttClient } from 'mqtt';
import { Agent, fetch } from 'undici';
import { BASE, NODE_ID } from '../../test/e2e/harness.ts';

const root = `${BASE}/${NODE_ID}`;
/** An answer that takes longer counts as lost; the soak says so and fails. */
const PATIENCE_MS = 60_000;

const CONTENTS = [
  '把客厅的灯调到30%',
  'turn off the fan in the bedroom',
  '地下室除湿器打开10分钟',
  'what is MQTT',
  '厨房现在多少度',
  'close the garage door',
  'set the heater in the study to 21 degrees',
];

export type Outcome = 'done' | 'refused';
export type Load = {
  /** Sends the n-th piece of the mix; resolves when its end is known. */
  send(n: number): Promise<{ kind: string; outcome: Outcome }>;
  close(): Promise<void>;
};

/** Mixed traffic as devices, apps and mistakes make it. Repeats every hundred pieces. */
export async function openLoad(brokerUrl: string, httpUrl: string): Promise<Load> {
  // Node's own opens a connection for every request that overlaps, and they live on for a minute.
  const dispatcher = new Agent({ connections: 8 });
  const client: MqttClient = await connectAsync(brokerUrl, { protocolVersion: 5 });
  /** By topic; the plain-text topic and responses carry no id, so first come, first served. */
  const waiting = new Map<string, ((payload: string) => void)[]>();
  client.on('message', (topic, payload) => {
    const text = payload.toString();
    if (/^\{"v":1.*"type":"(accepted|delta|restart)"/.test(text)) return;
    const first = waiting.get(topic)?.shift();
    if (waiting.get(topic)?.length === 0) waiting.delete(topic);
    first?.(text);
  });
  await client.subscribeAsync([`${root}/reply/#`, `${root}/response/#`], { qos: 1 });

  function answerOn(topic: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no answer on ${topic} within ${PATIENCE_MS} ms`)),
        PATIENCE_MS,
      );
      waiting.set(topic, [
        ...(waiting.get(topic) ?? []),
        (payload) => {
          clearTimeout(timer);
          resolve(payload);
        },
      ]);
    });
  }
  const outcomeOf = (text: string): Outcome =>
    text.includes('"type":"done"') ? 'done' : 'refused';
  const publish = (topic: string, body: string | object) =>
    client.publishAsync(
      `${root}/${topic}`,
      typeof body === 'string' ? body : JSON.stringify(body),
      {
        qos: 1,
      },
    );
  const messagesOf = (n: number) => [
    { role: 'user', content: CONTENTS[n % CONTENTS.length] ?? '' },
  ];
  async function prompt(n: number, fields: object = {}): Promise<Outcome> {
    const id = `soak-${n}`;
    const answer = answerOn(`${root}/reply/${id}`);
    await publish('prompt', { id, max_tokens: 48, messages: messagesOf(n), ...fields });
    return outcomeOf(await answer);
  }
  async function overHttp(n: number, fields: object = {}): Promise<Outcome> {
    const response = await fetch(`${httpUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ max_tokens: 48, messages: messagesOf(n), ...fields }),
      signal: AbortSignal.timeout(PATIENCE_MS),
      dispatcher,
    });
    await response.text();
    return response.ok ? 'done' : 'refused';
  }
  async function hangUp(n: number): Promise<Outcome> {
    const hanging = new AbortController();
    setTimeout(() => hanging.abort(), 60);
    await fetch(`${httpUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ stream: true, ...LONG, messages: messagesOf(n) }),
      signal: hanging.signal,
      dispatcher,
    })
      .then((response) => response.text())
      .catch(() => {});
    return 'done';
  }
  async function mistake(n: number): Promise<Outcome> {
    const answer = answerOn(`${root}/reply/invalid`);
    await publish('prompt', MISTAKES[n % MISTAKES.length] ?? '');
    return outcomeOf(await answer);
  }

  const kinds: [name: string, share: number, send: (n: number) => Promise<Outcome>][] = [
    ['mqtt', 25, (n) => prompt(n)],
    ['mqtt stream', 20, (n) => prompt(n, { stream: true })],
    // Three conversations at a time, of sixteen turns each.
    ['session', 12, (n) => prompt(n, { session: `talk-${Math.floor(n / 400)}-${n % 3}` })],
    ['http', 12, (n) => overHttp(n)],
    ['http stream', 8, (n) => overHttp(n, { stream: true })],
    [
      'text topic',
      4,
      async (n) => {
        const answer = answerOn(`${root}/reply/text`);
        await publish('prompt/text', CONTENTS[n % CONTENTS.length] ?? '');
        return (await answer).startsWith('!') ? 'refused' : 'done';
      },
    ],
    [
      'cancel',
      5,
      async (n) => {
        const ended = prompt(n, { ...LONG, stream: true });
        setTimeout(() => void publish('cancel', { id: `soak-${n}` }), 80);
        return await ended;
      },
    ],
    ['hang up', 3, hangUp],
    ['mistake', 4, mistake],
    ['deadline', 3, (n) => prompt(n, { deadline_ms: 1 })],
    [
      'asked twice',
      2,
      async (n) => {
        const first = await prompt(n);
        await prompt(n);
        return first;
      },
    ],
    [
      'request',
      2,
      async () => {
        const answer = answerOn(`${root}/response/decisions`);
        await publish('request/decisions', { transaction: 1 });
        await answer;
        return 'done';
      },
    ],
  ];
  const deck = kinds.flatMap(([name, share, send]) =>
    Array.from({ length: share }, () => ({ name, send })),
  );
  return {
    async send(n) {
      // 37 has no factor in common with 100: every kind comes in its share, well mixed.
      const card = deck[(n * 37) % deck.length]!;
      return { kind: card.name, outcome: await card.send(n) };
    },
    async close() {
      await client.endAsync(true);
      await dispatcher.destroy();
    },
  };
}

/** Long enough to be cut off half-way. */
const LONG = { max_tokens: 160, temperature: 2, seed: 7 };

const MISTAKES = [
  '{"messages":[',
  '',
  JSON.stringify({ id: '../x', messages: [{ role: 'user', content: 'x' }] }),
  'x'.repeat(70_000),
];
