import { type ErrorBody, TwowattError } from '../../core/index.ts';
import type { Plant } from './plant.ts';

export type VerbEffects = {
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
          { key: 'governor.budget_w', value: settings.budgetW, origin: { source: 'default' } },
          {
            key: 'governor.temperature_limit_c',
            value: settings.limitC,
            origin: { source: 'default' },
          },
          { key: 'log.level', value: 'info', origin: { source: 'default' } },
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
    case 'decisions':
      return {
        decisions: ['edge', 'cloud', 'edge'].map((target, index) => ({
          id: `simulated-${index}`,
          target,
          reasons: [target === 'edge' ? 'low_difficulty' : 'high_difficulty'],
          difficulty: target === 'edge' ? 0.2 : 0.8,
          escalated: false,
        })),
      };
    default:
      throw new TwowattError('unsupported', `${verb} is not simulated`);
  }
}
