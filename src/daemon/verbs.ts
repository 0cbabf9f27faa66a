import { TwowattError } from '../core/index.ts';
import {
  applyLive,
  describeConfig,
  type LoadedConfig,
  planChanges,
  saveOverlay,
} from '../config/index.ts';
import type { ModelFacts, Telemetry, Verb } from '../protocol/index.ts';
import type { Pipeline } from '../service/index.ts';
import type { Decisions } from './decisions.ts';

export type VerbContext = {
  version: string;
  config: () => LoadedConfig;
  pipeline: Pipeline;
  decisions: Decisions;
  /** Telemetry made now. */
  lookNow: () => Promise<Telemetry | null>;
  listModels: () => Promise<{ active: ModelFacts | null; models: object[] }>;
  setDraining: (draining: boolean) => void;
  /** Asks the process to stop so that its service manager starts it again. */
  requestRestart: () => void;
  /** The configuration from now on; what needs a restart still has its old value in it. */
  setConfig: (config: LoadedConfig) => void;
};

/** Answers a request to this node; throws a coded error for what it does not serve. */
export async function answerVerb(
  verb: Verb,
  args: Record<string, unknown>,
  context: VerbContext,
): Promise<unknown> {
  switch (verb) {
    case 'ping':
      return {
        version: context.version,
        ...(args['telemetry'] === true ? { telemetry: await context.lookNow() } : {}),
      };
    case 'config.get':
      return { settings: describeConfig(context.config()) };
    case 'config.set':
      return setConfig(args, context);
    case 'governor.set':
      return setGovernor(args, context);
    case 'drain': {
      // One topic for both ways suits switches, which have no second one.
      const draining = args['draining'] ?? true;
      if (typeof draining !== 'boolean') {
        throw new TwowattError('invalid_request', 'draining: expected true or false', {
          param: 'draining',
        });
      }
      context.setDraining(draining);
      return { state: draining ? 'draining' : 'online' };
    }
    case 'resume':
      context.setDraining(false);
      return { state: 'online' };
    case 'restart':
      context.requestRestart();
      return { state: 'restarting' };
    case 'model.list':
      return context.listModels();
    case 'decisions':
      return { decisions: context.decisions.list(args) };
    case 'model.pull':
    case 'model.activate':
    case 'model.rollback':
      throw new TwowattError('unsupported', `${verb} is not served by this version`);
  }
}

/** Fields of `governor.set` and the settings that they stand for. */
const GOVERNOR_SETTINGS: Record<string, string> = {
  budget_w: 'governor.budget_w',
  scope: 'governor.scope',
  temperature_limit_c: 'governor.temperature_limit_c',
};

/** Changes the limits at once and for good; all of them or, when one is wrong, none. */
function setGovernor(args: Record<string, unknown>, context: VerbContext): unknown {
  const wanted: Record<string, unknown> = {};
  for (const [field, key] of Object.entries(GOVERNOR_SETTINGS)) {
    if (args[field] !== undefined && args[field] !== null) wanted[key] = args[field];
  }
  if (Object.keys(wanted).length === 0) {
    throw new TwowattError(
      'invalid_request',
      `expected at least one of ${Object.keys(GOVERNOR_SETTINGS).join(', ')}`,
    );
  }
  const [refusal] = planChanges(context.config(), wanted).refused;
  if (refusal !== undefined) {
    const field = refusal.key.slice('governor.'.length);
    throw new TwowattError('invalid_request', `${field}: ${refusal.reason}`, { param: field });
  }
  setConfig({ set: wanted }, context);
  const { governor } = context.config().values;
  return Object.fromEntries(
    Object.entries(GOVERNOR_SETTINGS).map(([field, key]) => [
      field,
      governor[key.slice('governor.'.length) as keyof typeof governor],
    ]),
  );
}

function setConfig(args: Record<string, unknown>, context: VerbContext): unknown {
  const wanted = args['set'];
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) {
    throw new TwowattError('invalid_request', 'set: expected an object of settings', {
      param: 'set',
    });
  }
  const config = context.config();
  const plan = planChanges(config, wanted as Record<string, unknown>);
  if (plan.applied.length + plan.restart.length > 0) {
    if (config.overlayPath === null) {
      throw new TwowattError('unsupported', 'this node keeps no values set over MQTT');
    }
    saveOverlay(config.overlayPath, plan.overlay);
    context.setConfig(applyLive(config, plan));
  }
  return { applied: plan.applied, restart: plan.restart, refused: plan.refused };
}
