import { applyLive, loadConfig, planChanges } from '../../src/config/index.ts';
import { createSystemClock } from '../../src/core/index.ts';
import { createDecisions } from '../../src/daemon/decisions.ts';
import { readObject } from '../../src/gateway/mqtt/messages.ts';
import { privacyStrictness } from '../../src/protocol/index.ts';
import { codedOnly, ensure } from '../expect.ts';

/** Arguments of requests to a node, `config.set` before all. */
export const name = 'verbs';

const config = loadConfig({ env: {}, homeFolder: '/nowhere', overlayPath: null, searchFiles: [] });
const decisions = createDecisions(createSystemClock());
const NEVER = /^(cloud|mqtt|http|hardware)\.|_file$/;

export const seeds = () => [
  '{"set":{"governor.budget_w":1.5,"router.privacy_default":"any","mqtt.url":"mqtt://x"}}',
  '{"set":{"router.privacy_topics":[{"topic":"#","privacy":"local"}],"log.prompts":true}}',
  '{"set":{"log.level":"debug","node.id":"../x","queue.max_depth":1,"no.such":{"a":[1]}}}',
  '{"set":{"router.policy":"cloud","router.shadow_share":1,"model.system_prompt":"x"},"limit":3}',
  '{"set":{"__proto__":{"a":1},"constructor":1,"governor.budgt_w":2},"limit":-1}',
];

export function fuzz(data: Buffer): void {
  const args = codedOnly(() => readObject(data, 65_536));
  if (args === undefined) return;
  codedOnly(() => decisions.list(args));
  const wanted = args['set'];
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) return;
  const plan = codedOnly(() => planChanges(config, wanted as Record<string, unknown>));
  if (plan === undefined) return;
  const taken = [...plan.applied, ...plan.restart];
  ensure(!taken.some((key) => NEVER.test(key)), 'some keys are changed on the board only');
  const after = applyLive(config, plan).values.router.privacy_default;
  const before = config.values.router.privacy_default;
  ensure(privacyStrictness(after) >= privacyStrictness(before), 'privacy only becomes stricter');
}
