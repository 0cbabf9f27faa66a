import { boardChecks } from './board.ts';
import { brokerChecks } from './broker.ts';
import type { Check } from './check.ts';
import { governorChecks } from './governor.ts';
import { modelChecks } from './model.ts';
import { storageChecks } from './storage.ts';
import { systemChecks } from './system.ts';

/** Every check, in the order in which findings are shown. */
export const CHECKS: readonly Check[] = [
  ...boardChecks,
  ...governorChecks,
  ...modelChecks,
  ...storageChecks,
  ...brokerChecks,
  ...systemChecks,
];
