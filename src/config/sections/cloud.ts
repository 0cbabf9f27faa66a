import * as v from 'valibot';
import {
  type Privacy,
  PRIVACY_LEVELS,
  privacyStrictness as strictness,
} from '../../protocol/index.ts';
import { choice, flag, pattern, real, shaped } from '../kinds.ts';
import { setting } from '../setting.ts';

const privacyTopics = shaped(
  'a list such as [{"topic":"home/+/camera/#","privacy":"local"}]',
  v.pipe(
    v.array(
      v.strictObject({
        topic: v.pipe(v.string('expected a topic filter'), v.minLength(1), v.maxLength(512)),
        privacy: v.picklist(PRIVACY_LEVELS, 'expected local, redact or any'),
      }),
    ),
    v.maxLength(256),
  ),
);
type PrivacyTopics = { topic: string; privacy: Privacy }[];

/** The strictest label wins, so that an added entry never loosens, a lost or lowered one does. */
function loosenedTopic(current: PrivacyTopics, wanted: PrivacyTopics): string | undefined {
  const level = (list: PrivacyTopics, topic: string) =>
    Math.max(
      -1,
      ...list.filter((entry) => entry.topic === topic).map((e) => strictness(e.privacy)),
    );
  return current.find((entry) => level(wanted, entry.topic) < strictness(entry.privacy))?.topic;
}

/** Greater sends more prompts off the board. */
const POLICY_REACH = { edge: 0, auto: 1, cloud: 2 };

const live = { live: true, remote: true };

export const router = {
  policy: setting(
    choice('auto', 'edge', 'cloud'),
    'auto',
    'What `route: auto` means: weigh each prompt, stay on the board, or prefer the cloud. Privacy is heeded by all of them.',
    {
      live: true,
      remote: true,
      refuseRemote: (current, wanted) =>
        POLICY_REACH[wanted] > POLICY_REACH[current]
          ? 'this would send more prompts off the board; change it on the board'
          : undefined,
    },
  ),
  difficulty_threshold: setting(
    real(0, 1),
    0.5,
    'Prompts of a difficulty above this go to the cloud. Higher keeps more on the board.',
    live,
  ),
  cloud_share: setting(
    real(0, 1),
    0,
    'Share of the prompts that are free to go either way which should go to the cloud; the difficulty threshold then follows it (0: the threshold stays where it is set).',
    {
      ...live,
      refuseRemote: (current, wanted) =>
        wanted > current
          ? 'this would send more prompts off the board; change it on the board'
          : undefined,
    },
  ),
  confidence_threshold: setting(
    real(0, 1),
    0.5,
    'Answers of a confidence below this are escalated or handled by `router.low_confidence_action`.',
    live,
  ),
  queue_pressure_s: setting(
    real(0, 86_400),
    30,
    'Seconds of waiting beyond which prompts go to the cloud when they may.',
    live,
  ),
  low_confidence_action: setting(
    choice('auto', 'answer', 'error'),
    'auto',
    'What becomes of an answer of low confidence with nowhere to escalate: `answer` sends it with its confidence, `error` ends with `low_confidence`, `auto` means error when the answer is a command and answer otherwise.',
    live,
  ),
  shadow_share: setting(
    real(0, 1),
    0,
    'Share of prompts of privacy `any` that are also asked of the cloud, to compare the answers.',
    {
      ...live,
      refuseRemote: (current, wanted) =>
        wanted > current
          ? 'this would send more prompts off the board; change it on the board'
          : undefined,
    },
  ),
  privacy_default: setting(
    choice('local', 'redact', 'any'),
    'redact',
    'Privacy of prompts that carry no label: never leave the board, are masked before they leave, or may leave as they are.',
    {
      ...live,
      refuseRemote: (current, wanted) =>
        strictness(wanted) < strictness(current)
          ? `privacy may not be loosened from ${current} to ${wanted} over MQTT`
          : undefined,
    },
  ),
  privacy_topics: setting(
    privacyTopics,
    [],
    'Privacy of prompts by the topic they came in on; the strictest label that fits wins.',
    {
      ...live,
      refuseRemote: (current, wanted) => {
        const topic = loosenedTopic(current, wanted);
        return topic === undefined
          ? undefined
          : `privacy may not be loosened over MQTT, and that of ${topic} would be`;
      },
    },
  ),
};

const price = v.pipe(v.number('expected a number'), v.minValue(0, 'expected 0 or more'));
const seconds = v.pipe(
  v.number('expected a number of seconds'),
  v.minValue(0.1, 'expected 0.1 or more'),
  v.maxValue(3600, 'expected at most 3600'),
);

function baseUrlAccepted(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  return /^https?:$/.test(url.protocol) && url.password === '' && url.username === '';
}

const endpoints = shaped(
  'a list of endpoints with name, base_url and model',
  v.pipe(
    v.array(
      v.strictObject({
        name: v.pipe(
          v.string('expected text'),
          v.regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected 1 to 64 characters of A-Z a-z 0-9 . _ -'),
        ),
        base_url: v.pipe(
          v.string('expected text'),
          v.check(baseUrlAccepted, 'expected an http or https URL without a password in it'),
        ),
        model: v.pipe(v.string('expected text'), v.minLength(1, 'must not be empty')),
        api_key_file: v.optional(v.string('expected a path')),
        tier: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(9))),
        price_in: v.optional(price),
        price_out: v.optional(price),
        currency: v.optional(
          v.pipe(v.string(), v.regex(/^[A-Z]{3}$/, 'expected three capital letters')),
        ),
        weight: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1000))),
        max_concurrency: v.optional(
          v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1024)),
        ),
        connect_timeout_s: v.optional(seconds),
        first_token_timeout_s: v.optional(seconds),
        idle_timeout_s: v.optional(seconds),
        total_timeout_s: v.optional(seconds),
        extra_body: v.optional(v.record(v.string(), v.unknown())),
      }),
    ),
    v.maxLength(64),
    v.check(
      (list) => new Set(list.map((endpoint) => endpoint.name)).size === list.length,
      'every endpoint needs a name of its own',
    ),
  ),
);

const currency = pattern('three capital letters such as USD or CNY', (value) =>
  /^[A-Z]{3}$/.test(value),
);

export const cloud = {
  endpoints: setting(
    endpoints,
    [],
    "Endpoints that speak OpenAI's API: name, base_url, model, and when wanted api_key_file, tier (1, asked first), price_in and price_out per million tokens (0), currency, weight (1), max_concurrency (4), connect_timeout_s (5), first_token_timeout_s (20), idle_timeout_s (15), total_timeout_s (300), extra_body (fields added to each request) (empty: no prompt ever leaves the board).",
  ),
  failover: setting(
    choice('any', 'up', 'down', 'none'),
    'any',
    'Where a prompt goes when its tier cannot answer: to tiers of higher numbers and then to lower ones, only up, only down, or nowhere else.',
  ),
  retry_ratio: setting(
    real(0, 2),
    0.5,
    'Extra calls, retries and hedges together, that each prompt may bring on the average (0: none). Bounds what an outage can multiply the traffic by.',
  ),
  hedging: setting(
    flag,
    true,
    'A call slower to its first token than 95 % of calls gets a second one at another endpoint of its tier; the slower one is ended. Costs a little money, saves waiting.',
  ),
  budget_per_day: setting(
    real(0, 1_000_000),
    0,
    'Money that the cloud may cost in a day, in `cloud.currency` (0: no such limit).',
  ),
  currency: setting(
    currency,
    'USD',
    'Currency of costs and savings; endpoints that name none use it.',
  ),
  baseline_price: setting(
    shaped(
      'an object such as {"price_in":0.1,"price_out":0.4}',
      v.strictObject({ price_in: price, price_out: price }),
    ),
    { price_in: 0, price_out: 0 },
    'Price per million tokens, in `cloud.currency`, that answers on the board are counted to save (both 0: that of the cheapest endpoint).',
  ),
};
