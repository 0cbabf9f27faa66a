import type { LoadedConfig } from '../../config/index.ts';
import type { Clock } from '../../core/index.ts';
import type { Facts, ProbeName } from '../facts.ts';
export type ProbeContext = { config: LoadedConfig; clock: Clock; homeFolder: string };

type Probes = {
  [Name in ProbeName]: (context: ProbeContext) => Facts[Name] | Promise<Facts[Name]>;
};

/**
 * How each kind of facts is found. They read; none writes, and none moves an actuator. Rooms are loaded
 * by the probe that needs them, so that one which hangs keeps no other from answering.
 */
export const PROBES: Probes = {
  config: async (context) => (await import('./config.ts')).lookAtConfig(context),
  system: async (context) => (await import('./system.ts')).lookAtSystem(context),
  storage: async (context) => (await import('./storage.ts')).lookAtStorage(context),
  board: async (context) => (await import('./board.ts')).lookAtBoard(context),
  model: async (context) => (await import('./model.ts')).lookAtModel(context),
  governor: async (context) => (await import('./governor.ts')).lookAtGovernor(context),
  broker: async (context) => (await import('./broker.ts')).lookAtBroker(context),
  service: async (context) => (await import('./service.ts')).lookAtService(context),
  verify: async (context) => (await import('./model.ts')).verifyLocatedModel(context),
  log: async (context) => (await import('./log.ts')).lookAtLog(context),
  deep: async (context) => (await import('./deep.ts')).askOnePrompt(context),
};
