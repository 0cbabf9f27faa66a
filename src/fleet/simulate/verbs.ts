import { type ErrorBody, TwowattError } from '../../core/index.ts';
import type { DecisionEntry } from '../../protocol/index.ts';
import { CLOUD_PRICE, DEFAULT_BUDGET_W, DEFAULT_LIMIT_C, type Plant } from './plant.ts';

/** One in so many of the made-up answers came from the cloud. */
const CLOUD_EVERY = 4;
const DECISIONS = 50;
const DECISION_EVERY_MS = 40_000;

export type VerbEffects = {
  /** The board's own time, milliseconds since 1970. */
  wallMs(): number;
  setState(state: 'online' | 'draining'): void;
  restart(): void;
  /** Info has changed. */
  republish(): void;
};

/** The answer of a simulated board to a request of the contract; what it changes shows in its telemetry. */
export function answerSimulated(
  verb: string,
  args: Record<string, unknown>,
  plant: Plant,
  effects: VerbEffects,
): { status: 'ok'; data: unknown } | { status: 'error'; error: ErrorBody } {
  try {
    return { status: 'ok', data: answer(verb, args, plant, effects) };
  } catch (error) {
    return { status: 'error', error: (error as TwowattError).toBody() };
  }
}

function answer(
  verb: string,
  args: Record<string, unknown>,
  plant: Plant,
  effects: VerbEffects,
): unknown {
  const { settings } = plant;
  switch (verb) {
    case 'ping':
      return { version: 'simulated' };
    case 'drain':
      plant.draining = true;
      effects.setState('draining');
      return { state: 'draining' };
    case 'resume':
      plant.draining = false;
      effects.setState('online');
      return { state: 'online' };
    case 'restart':
      effects.restart();
      return { state: 'restarting' };
    case 'governor.set': {
      const budget = args['budget_w'] ?? settings.budgetW;
      const limit = args['temperature_limit_c'] ?? settings.limitC;
      if (typeof budget !== 'number' || budget < 0.05 || budget > 500) {
        throw new TwowattError('invalid_request', 'budget_w: expected a number from 0.05 to 500', {
          param: 'budget_w',
        });
      }
      if (typeof limit !== 'number' || limit < 30 || limit > 105) {
        throw new TwowattError(
          'invalid_request',
          'temperature_limit_c: expected a number from 30 to 105',
          { param: 'temperature_limit_c' },
        );
      }
      settings.budgetW = budget;
      settings.limitC = limit;
      return { budget_w: budget, scope: 'above_idle', temperature_limit_c: limit };
    }
    case 'config.get':
      return {
        settings: [
          setting('governor.budget_w', settings.budgetW, DEFAULT_BUDGET_W),
          setting('governor.temperature_limit_c', settings.limitC, DEFAULT_LIMIT_C),
          setting('log.level', 'info', 'info'),
        ],
      };
    case 'config.set': {
      const set = (args['set'] ?? {}) as Record<string, unknown>;
      const applied = Object.keys(set).filter(
        (key) => key.startsWith('governor.') || key === 'log.level',
      );
      if (typeof set['governor.budget_w'] === 'number') settings.budgetW = set['governor.budget_w'];
      const refused = Object.keys(set)
        .filter((key) => !applied.includes(key))
        .map((key) => ({ key, reason: 'can only be changed on the board' }));
      return { applied, restart: [], refused };
    }
    case 'model.list':
      return {
        active: { id: plant.model },
        models: ['twowatt-nano', 'ernie-4.5-0.3b-int8'].map((id) => ({
          id,
          active: id === plant.model,
        })),
      };
    case 'model.activate':
      if (args['model'] === 'broken') {
        throw new TwowattError('model_unavailable', 'model: the store has no model broken', {
          param: 'model',
        });
      }
      plant.model = String(args['model']);
      effects.republish();
      return { active: plant.model };
    case 'model.rollback':
      plant.model = 'twowatt-nano';
      effects.republish();
      return { active: plant.model };
    case 'decisions': {
      const limit = Math.min(Number(args['limit'] ?? 20), DECISIONS);
      return {
        decisions: Array.from({ length: limit }, (_, i) => decision(i, plant, effects.wallMs())),
      };
    }
    default:
      throw new TwowattError('unsupported', `${verb} is not simulated`);
  }
}

const setting = (key: string, value: unknown, byDefault: unknown) => ({
  key,
  value,
  origin: { source: value === byDefault ? 'default' : 'remote', detail: null },
});

/** As the daemon's own list has them, newest first. */
function decision(index: number, { kind }: Plant, nowMs: number): DecisionEntry {
  const cloud = index % CLOUD_EVERY === CLOUD_EVERY - 1;
  const tokens = 20 + ((index * 17) % 60);
  return {
    id: `simulated-${index}`,
    ts: new Date(nowMs - (index + 1) * DECISION_EVERY_MS).toISOString(),
    target: cloud ? 'cloud' : 'edge',
    endpoint: cloud ? 'ernie-cloud' : null,
    reasons: [cloud ? 'high_difficulty' : 'low_difficulty'],
    difficulty: cloud ? 0.81 : 0.1 + (index % 7) / 20,
    escalated: false,
    confidence: cloud ? null : 0.93,
    cost: cloud ? { amount: (tokens * CLOUD_PRICE) / 1e6, currency: 'USD' } : null,
    joules: cloud ? null : (tokens * kind.busyW) / kind.tokensPerS,
    total_ms: cloud ? 900 + tokens * 8 : (tokens / kind.tokensPerS) * 1000,
    error: null,
  };
}
