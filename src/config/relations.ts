import type { ConfigProblem, Origin } from './problems.ts';
import type { Config, ConfigKey } from './schema.ts';

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);

/** What is wrong between settings that are each fine by themselves. */
export function relationProblems(
  values: Config,
  origins: Readonly<Record<ConfigKey, Origin>>,
): ConfigProblem[] {
  const { cloud, fleet, http, mqtt, queue } = values;
  const foreign = cloud.endpoints.find(
    ({ currency = cloud.currency, price_in = 0, price_out = 0 }) =>
      currency !== cloud.currency && (price_in > 0 || price_out > 0),
  );
  const rules: { key: ConfigKey; broken: boolean; message: string }[] = [
    {
      key: 'http.host',
      broken: http.enabled && !isLoopback(http.host) && http.token_file === '',
      message: `listening on ${http.host} needs http.token_file: anybody on the network could use the board`,
    },
    {
      key: 'mqtt.tls.cert_file',
      broken: (mqtt.tls.cert_file === '') !== (mqtt.tls.key_file === ''),
      message: 'expected mqtt.tls.cert_file and mqtt.tls.key_file together',
    },
    {
      key: 'fleet.tls.cert_file',
      broken: (fleet.tls.cert_file === '') !== (fleet.tls.key_file === ''),
      message: 'expected fleet.tls.cert_file and fleet.tls.key_file together',
    },
    {
      key: 'fleet.share',
      broken: fleet.share !== '' && !/^postgres(ql)?:\/\//.test(fleet.store),
      message: 'several servers share a PostgreSQL; expected fleet.store to be a postgres:// URL',
    },
    {
      key: 'cloud.endpoints',
      broken: cloud.budget_per_day > 0 && foreign !== undefined,
      message: `${foreign?.name} has prices in ${foreign?.currency}, which cloud.budget_per_day in ${cloud.currency} cannot count; expected prices in ${cloud.currency}`,
    },
    {
      key: 'queue.max_payload_bytes',
      broken: queue.max_payload_bytes > queue.max_bytes,
      message: `expected at most queue.max_bytes (${queue.max_bytes}), or the largest prompt never fits`,
    },
  ];
  return rules
    .filter((rule) => rule.broken)
    .map(({ key, message }) => ({ key, message, origin: origins[key] }));
}
