/**
 * fleet: many boards at once. `server` listens to them on a broker, keeps their history and serves page and
 * API; `store` is where it keeps it; `simulate` plays any number of boards.
 *
 * Promises:
 * - telemetry is acknowledged to the broker only after it is stored, so a server that is killed loses none;
 * - nothing is asked of a board that the contract does not offer to anybody on the broker;
 * - without a user nothing can be changed, and every change is in the audit log;
 * - a board's daemon never loads any of this.
 */
export { type FleetServer, startFleet } from './server/serve.ts';
export { type Accounts, createAccounts } from './server/accounts.ts';
export {
  FAULTS,
  type Simulation,
  type SimulationOptions,
  startSimulation,
} from './simulate/simulate.ts';
export { openStore } from './store/index.ts';
