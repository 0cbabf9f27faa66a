import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BudgetStore, Cloud } from '../cloud/index.ts';
import type { Config } from '../config/index.ts';
import { type Clock, isErrno, type Logger, writeFileAtomic } from '../core/index.ts';

const BUDGET_FILE = 'cloud-budget.json';

/** The cloud client as configured; null without endpoints, and then its code is not even loaded. */
export async function openCloud(
  config: Config,
  clock: Clock,
  logger: Logger,
): Promise<Cloud | null> {
  if (config.cloud.endpoints.length === 0) return null;
  const { createCloud, createHttpTransport, endpointsFromConfig } =
    await import('../cloud/index.ts');
  const { cloud } = config;
  return createCloud({
    endpoints: endpointsFromConfig(cloud, process.env),
    failover: cloud.failover,
    retryRatio: cloud.retry_ratio,
    hedging: cloud.hedging,
    budget: {
      limitPerDay: cloud.budget_per_day,
      currency: cloud.currency,
      store: budgetStore(join(config.node.state_folder, BUDGET_FILE)),
    },
    clock,
    logger,
    random: Math.random,
    transport: createHttpTransport(),
  });
}

function budgetStore(path: string): BudgetStore {
  return {
    load() {
      try {
        return JSON.parse(readFileSync(path, 'utf8')) as unknown;
      } catch (error) {
        // Damaged counts as never written; the client says so.
        if (isErrno(error, 'ENOENT')) return undefined;
        if (error instanceof SyntaxError) return {};
        throw error;
      }
    },
    save: (state) => writeFileAtomic(path, JSON.stringify(state)),
  };
}
