import { type Config, readSecretFile } from '../config/index.ts';
import { TwowattError } from '../core/index.ts';
import type { BudgetOptions, CloudEndpoint } from './types.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The endpoints of `cloud.endpoints` with their defaults, keys read from their files. Throws
 * `invalid_request` with `param` for a key file that cannot serve.
 */
export function endpointsFromConfig(config: Config['cloud'], env: Environment): CloudEndpoint[] {
  return config.endpoints.map((endpoint) => ({
    name: endpoint.name,
    baseUrl: endpoint.base_url.replace(/\/+$/, ''),
    model: endpoint.model,
    apiKey:
      endpoint.api_key_file === undefined
        ? null
        : readSecretFile(endpoint.api_key_file, {
            key: `cloud.endpoints.${endpoint.name}.api_key_file`,
            env,
          }),
    tier: endpoint.tier ?? 1,
    priceIn: endpoint.price_in ?? 0,
    priceOut: endpoint.price_out ?? 0,
    currency: endpoint.currency ?? config.currency,
    weight: endpoint.weight ?? 1,
    maxConcurrency: endpoint.max_concurrency ?? 4,
    connectTimeoutMs: (endpoint.connect_timeout_s ?? 5) * 1000,
    firstTokenTimeoutMs: (endpoint.first_token_timeout_s ?? 20) * 1000,
    idleTimeoutMs: (endpoint.idle_timeout_s ?? 15) * 1000,
    totalTimeoutMs: (endpoint.total_timeout_s ?? 300) * 1000,
    extraBody: endpoint.extra_body ?? {},
  }));
}

/** A budget counts in one currency; what another one costs it could only ignore. */
export function checkCurrencies(
  endpoints: readonly CloudEndpoint[],
  { limitPerDay, currency }: Pick<BudgetOptions, 'limitPerDay' | 'currency'>,
): void {
  if (limitPerDay === 0) return;
  const foreign = endpoints.find(
    (endpoint) => endpoint.currency !== currency && (endpoint.priceIn > 0 || endpoint.priceOut > 0),
  );
  if (foreign === undefined) return;
  throw new TwowattError(
    'invalid_request',
    `cloud.endpoints: ${foreign.name} has prices in ${foreign.currency}, which the budget in ${currency} cannot count; expected prices in ${currency}`,
    { param: 'cloud.endpoints' },
  );
}
