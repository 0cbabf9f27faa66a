import type { NodeTopics } from '../../protocol/index.ts';

type Component = { platform: string; name: string } & Record<string, unknown>;

/** Home Assistant's bound of a state, and so of what can be asked and shown as an answer. */
const LONGEST_STATE = 255;

const DIAGNOSTIC = { entity_category: 'diagnostic' };
const CONFIG = { entity_category: 'config' };
/** Requests are answered on the response topic, to nobody in particular. */
const TRANSACTION = { transaction: 'home-assistant' };

/** A sensor of one field of the telemetry; null becomes "unknown". */
const sensor = (topic: string, name: string, path: string, more: object): Component => ({
  platform: 'sensor',
  name,
  state_topic: topic,
  value_template: `{{ value_json.${path} }}`,
  ...more,
});

const watts = {
  device_class: 'power',
  unit_of_measurement: 'W',
  state_class: 'measurement',
  suggested_display_precision: 2,
};

function sensors({ telemetry, state }: NodeTopics): Record<string, Component> {
  return {
    state: sensor(state, 'State', 'state', {
      device_class: 'enum',
      options: ['online', 'draining', 'offline'],
    }),
    power: sensor(telemetry, 'Power', 'power.watts', watts),
    board_power: sensor(telemetry, 'Board power', 'power.board_w', watts),
    temperature: sensor(telemetry, 'Temperature', 'thermal.soc_c', {
      device_class: 'temperature',
      unit_of_measurement: '°C',
      state_class: 'measurement',
      suggested_display_precision: 1,
    }),
    tokens_per_s: sensor(telemetry, 'Speed', 'engine.tokens_per_s', {
      unit_of_measurement: 'tok/s',
      state_class: 'measurement',
      suggested_display_precision: 1,
      icon: 'mdi:speedometer',
    }),
    energy: sensor(telemetry, 'Energy of answers', '', {
      // From joules, since the energy dashboard wants watt hours.
      value_template: '{{ (value_json.engine.joules_total / 3600) | round(4) }}',
      device_class: 'energy',
      unit_of_measurement: 'Wh',
      state_class: 'total_increasing',
      suggested_display_precision: 2,
    }),
    joules_per_token: sensor(telemetry, 'Energy per token', 'engine.joules_per_token', {
      unit_of_measurement: 'J/token',
      state_class: 'measurement',
      suggested_display_precision: 3,
      icon: 'mdi:lightning-bolt',
    }),
    queue: sensor(telemetry, 'Queue', 'queue.depth', {
      unit_of_measurement: 'prompts',
      state_class: 'measurement',
      icon: 'mdi:tray-full',
    }),
    answers: sensor(telemetry, 'Answers', 'queue.completed_total', {
      unit_of_measurement: 'prompts',
      state_class: 'total_increasing',
      icon: 'mdi:message-reply-text',
    }),
  };
}

function diagnostics({ telemetry, info, health }: NodeTopics): Record<string, Component> {
  return {
    health: {
      platform: 'binary_sensor',
      name: 'Health',
      device_class: 'problem',
      state_topic: health,
      value_template:
        "{{ 'ON' if value_json | rejectattr('severity', 'eq', 'info') | list | count > 0 else 'OFF' }}",
      json_attributes_topic: health,
      json_attributes_template: "{{ {'conditions': value_json} | tojson }}",
      ...DIAGNOSTIC,
    },
    engine: sensor(telemetry, 'Engine', 'engine.state', {
      device_class: 'enum',
      options: ['starting', 'ready', 'busy', 'restarting', 'unavailable'],
      ...DIAGNOSTIC,
    }),
    governor: sensor(telemetry, 'Governor', 'governor.state', {
      device_class: 'enum',
      options: ['open', 'pacing', 'hot', 'paused'],
      ...DIAGNOSTIC,
    }),
    model: sensor(info, 'Model', 'model.id', { icon: 'mdi:brain', ...DIAGNOSTIC }),
    uptime: sensor(telemetry, 'Uptime', 'uptime_s', {
      device_class: 'duration',
      unit_of_measurement: 's',
      state_class: 'measurement',
      enabled_by_default: false,
      ...DIAGNOSTIC,
    }),
    engine_memory: sensor(telemetry, 'Engine memory', 'engine.rss_bytes', {
      device_class: 'data_size',
      unit_of_measurement: 'B',
      state_class: 'measurement',
      enabled_by_default: false,
      ...DIAGNOSTIC,
    }),
    disk_free: sensor(telemetry, 'Free disk', 'system.disk_free_bytes', {
      device_class: 'data_size',
      unit_of_measurement: 'B',
      state_class: 'measurement',
      enabled_by_default: false,
      ...DIAGNOSTIC,
    }),
  };
}

function controls(topics: NodeTopics): Record<string, Component> {
  const request = (verb: string) => `${topics.requestPrefix}${verb}`;
  return {
    budget: {
      platform: 'number',
      name: 'Power budget',
      device_class: 'power',
      unit_of_measurement: 'W',
      min: 0.05,
      max: 500,
      step: 0.05,
      mode: 'box',
      state_topic: topics.telemetry,
      value_template: '{{ value_json.power.budget_w }}',
      command_topic: request('governor.set'),
      command_template: '{"transaction":"home-assistant","budget_w":{{ value }}}',
      ...CONFIG,
    },
    temperature_limit: {
      platform: 'number',
      name: 'Temperature limit',
      device_class: 'temperature',
      unit_of_measurement: '°C',
      min: 30,
      max: 105,
      step: 1,
      mode: 'box',
      state_topic: topics.telemetry,
      value_template: '{{ value_json.thermal.limit_c }}',
      command_topic: request('governor.set'),
      command_template: '{"transaction":"home-assistant","temperature_limit_c":{{ value }}}',
      ...CONFIG,
    },
    drain: {
      platform: 'switch',
      name: 'Drain',
      icon: 'mdi:pipe-valve',
      state_topic: topics.state,
      value_template: '{{ value_json.state }}',
      state_on: 'draining',
      state_off: 'online',
      command_topic: request('drain'),
      payload_on: JSON.stringify({ ...TRANSACTION, draining: true }),
      payload_off: JSON.stringify({ ...TRANSACTION, draining: false }),
      ...CONFIG,
    },
    restart: {
      platform: 'button',
      name: 'Restart',
      device_class: 'restart',
      command_topic: request('restart'),
      payload_press: JSON.stringify(TRANSACTION),
      ...CONFIG,
    },
  };
}

/** A question goes the way of every prompt; its answer has a topic that only this sensor listens to. */
function conversation(topics: NodeTopics): Record<string, Component> {
  const replyTopic = topics.reply('home-assistant');
  return {
    ask: {
      platform: 'text',
      name: 'Ask',
      icon: 'mdi:chat-question',
      min: 1,
      max: LONGEST_STATE,
      mode: 'text',
      command_topic: topics.prompt,
      command_template: `{"reply_to":"${replyTopic}","messages":[{"role":"user","content":{{ value | tojson }}}]}`,
    },
    answer: {
      platform: 'sensor',
      name: 'Answer',
      icon: 'mdi:chat-processing',
      state_topic: replyTopic,
      value_template: `{{ (value_json.text if value_json.type == 'done' else value_json.error.code ~ ': ' ~ value_json.error.message)[:${LONGEST_STATE}] }}`,
      // The whole frame: the text beyond 255 characters, confidence, route, energy.
      json_attributes_topic: replyTopic,
    },
  };
}

/** Every entity of the device; `device` makes their ids unique in all of Home Assistant. */
export function components(topics: NodeTopics, device: string): Record<string, Component> {
  const all = {
    ...sensors(topics),
    ...controls(topics),
    ...conversation(topics),
    ...diagnostics(topics),
  };
  return Object.fromEntries(
    Object.entries(all).map(([key, component]) => [
      key,
      { ...component, unique_id: `${device}-${key}` },
    ]),
  );
}
