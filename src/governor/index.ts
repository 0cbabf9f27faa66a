/**
 * governor: keeps inference within its watts and degrees, at the most tokens that they buy. `createLaw`
 * is pure and runs in virtual time; `createGovernorLoop` is the only part with timers. Promises: a
 * step is granted only when its expected energy is there, every fault of a sensor means less power,
 * and no number that leaves here is NaN.
 */
export { createLaw } from './law.ts';
export {
  createGovernorLoop,
  type GovernorGate,
  type GovernorLoop,
  type GovernorLoopOptions,
} from './loop.ts';
export { type Candidate, neighbours, upperHull } from './points.ts';
export { keepOnlyTheDay, packState, type SavedState, unpackState } from './saved-state.ts';
export type * from './types.ts';
