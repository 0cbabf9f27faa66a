/**
 * cloud: asks endpoints that speak OpenAI's API. `createCloud` chooses, retries, hedges, fails over and
 * counts money. Promises: nothing is sent that is not marked as free to leave, in one place for all
 * calls; each stream ends with exactly one terminal part; no budget is overrun by calls at the same
 * time; neither keys nor prompts are logged.
 */
export { createCloud } from './cloud.ts';
export { endpointsFromConfig } from './options.ts';
export { createHttpTransport } from './transport.ts';
export type * from './types.ts';
