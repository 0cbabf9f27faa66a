import { loadConfig, describeConfig } from '../../src/config/index.ts';
import { codedOnly, ensure, joined, pieces, scratchFile } from '../expect.ts';

/** The configuration: file (YAML or JSON), values set over MQTT, environment and flags together. */
export const name = 'config';

export const seeds = () => [
  joined(
    '{}',
    '',
    '',
    'mqtt:\n  url: mqtts://broker:8883\n  pools: [a, b]\ngovernor: {budget_w: 2}\n',
  ),
  joined(
    '{"governor.budget_w":1}',
    'TWOWATT_MQTT__TLS__CA_FILE\u0001/x',
    'log.level=debug',
    '{"http":{"port":1}}',
  ),
  joined('[]', 'TWOWATT_NODE_ID\u0001x', 'node.id', 'a: &a [1,2]\nb: [*a, *a, *a]\n'),
  joined(
    '{"log.prompts":true}',
    '',
    'cloud.endpoints=[{"name":"a"}]',
    'cloud:\n  endpoints:\n  - name: a\n    base_url: https://x/v1\n    model: m\n    api_key_file: k\n',
  ),
  joined('x', '', 'mqtt.url=mqtt://u:p@h', '%YAML 1.2\n---\n? [a]\n: !!set {b}\n...\n'),
  joined(
    '{}',
    '',
    '',
    'router:\n  privacy_topics:\n  - {topic: "a/#", privacy: local}\n"__proto__": {x: 1}\n',
  ),
  joined('{}', '', '', '['.repeat(400)),
];

export function fuzz(data: Buffer): void {
  const [overlay, environment, flag, file] = pieces(data, 4) as [Buffer, Buffer, Buffer, Buffer];
  const words = environment.toString().split('\u0001');
  const options = {
    file: scratchFile('config.yaml', file),
    overlayPath: scratchFile('remote.json', overlay),
    env: Object.fromEntries([[words[0] ?? '', words[1] ?? '']]),
    set: flag.length === 0 ? [] : [flag.toString()],
    homeFolder: '/nowhere',
  };
  const loaded = codedOnly(() => loadConfig(options));
  if (loaded === undefined) return;
  const shown = JSON.stringify(describeConfig(loaded));
  ensure(shown.length < 4_000_000, 'what is shown is bounded');
  const { password } = URL.canParse(loaded.values.mqtt.url)
    ? new URL(loaded.values.mqtt.url)
    : { password: '' };
  ensure(password === '', 'no password stands in a broker URL');
}
