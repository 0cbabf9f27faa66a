import { type Config, configSchemaVersion } from '../config/index.ts';
import type { InfoMessage, ModelFacts } from '../protocol/index.ts';

/** What this node can do, beyond what every version 1 node must; the gateway adds what the broker allows. */
const FEATURES = ['stream', 'cancel', 'sessions', 'priorities', 'deadlines', 'logprobs', 'dedupe'];

/** The retained description of the node. */
export function buildInfo(facts: {
  version: string;
  config: Config;
  model: ModelFacts | null;
  profile: string;
}): InfoMessage {
  const { config, model } = facts;
  return {
    version: facts.version,
    node: config.node.id,
    model,
    profile: facts.profile,
    pools: config.mqtt.pools,
    limits: {
      max_payload_bytes: config.queue.max_payload_bytes,
      context_tokens: model?.contextTokens ?? config.model.context_tokens,
      max_depth: config.queue.max_depth,
      receive_maximum: config.mqtt.receive_maximum,
    },
    features: FEATURES,
    config_schema_version: configSchemaVersion,
  };
}
