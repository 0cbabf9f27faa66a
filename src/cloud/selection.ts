import type { EndpointRuntime } from './endpoint.ts';
import type { CloudRequest, Failover } from './types.ts';

/** How far each tier is from the wanted one on the way of failover; tiers off that way are left out. */
function tierRanks(
  tiers: readonly number[],
  wanted: number,
  failover: Failover,
): Map<number, number> {
  const up = tiers.filter((tier) => tier > wanted).sort((a, b) => a - b);
  const down = tiers.filter((tier) => tier < wanted).sort((a, b) => b - a);
  const way = {
    any: [wanted, ...up, ...down],
    up: [wanted, ...up],
    down: [wanted, ...down],
    none: [wanted],
  }[failover];
  return new Map(way.map((tier, distance) => [tier, distance]));
}

/**
 * The endpoints that may serve a request, in the order in which to ask them. Each try that failed there
 * puts an endpoint one tier back, so that a tier's other endpoints come first and then the next tier.
 * Among equals the order is drawn by weight (Efraimidis and Spirakis, Information Processing Letters
 * 97/5, 2006).
 */
export function rank(
  endpoints: readonly EndpointRuntime[],
  request: Pick<CloudRequest, 'tier' | 'model'>,
  failover: Failover,
  tries: ReadonlyMap<EndpointRuntime, number>,
  random: () => number,
): EndpointRuntime[] {
  const { model } = request;
  const serving = endpoints.filter(
    ({ spec }) => model === null || spec.model === model || spec.name === model,
  );
  const tiers = [...new Set(serving.map(({ spec }) => spec.tier))];
  const wanted = request.tier ?? Math.min(...tiers);
  const ranks = tierRanks(tiers, wanted, failover);
  return serving
    .flatMap((endpoint) => {
      const tierRank = ranks.get(endpoint.spec.tier);
      if (tierRank === undefined) return [];
      const { weight } = endpoint.spec;
      const drawn = weight === 0 ? Infinity : -Math.log(1 - random()) / weight;
      return [{ endpoint, place: tierRank + (tries.get(endpoint) ?? 0), tierRank, drawn }];
    })
    .sort(
      (a, b) =>
        a.place - b.place ||
        a.tierRank - b.tierRank ||
        (a.drawn === b.drawn ? 0 : a.drawn - b.drawn),
    )
    .map(({ endpoint }) => endpoint);
}
