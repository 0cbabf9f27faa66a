import type { Clock, Logger } from '../../core/index.ts';
import type { Limiter } from '../../gateway/http/access/index.ts';
import type { FleetSettings, Overview } from '../../protocol/fleet/index.ts';
import type { FleetStore } from '../store/index.ts';
import type { Accounts } from './accounts.ts';
import type { Actions } from './actions.ts';
import type { Alerts } from './alerts.ts';
import type { FleetEventHub } from './http/events.ts';
import type { Intake } from './intake.ts';
import type { Registry } from './registry.ts';
import type { Requests } from './requests.ts';
import type { Rollouts } from './rollouts.ts';

/** What the web server stands on; `startFleet` builds it. */
export type FleetParts = {
  version: string;
  clock: Clock;
  logger: Logger;
  store: FleetStore;
  registry: Registry;
  intake: Intake;
  requests: Requests;
  alerts: Alerts;
  actions: Actions;
  rollouts: Rollouts;
  accounts: Accounts;
  events: FleetEventHub;
  loginLimiter: Limiter;
  overview: () => Overview;
  settings: () => Promise<FleetSettings>;
  /** Of a board that is offline: its history, and what the broker retains of it. */
  forget: (node: string) => Promise<void>;
  leads: () => boolean;
};
