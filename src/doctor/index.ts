/**
 * doctor: looks at a board as the daemon would see it and says what is wrong and what to do. Probes
 * gather facts in a process that may hang and be lost; checks are pure functions of these facts.
 * Promises: nothing is written or moved, no model is converted or loaded unless asked for, every look
 * has a deadline that is kept from outside, and no secret leaves the probe process.
 */
export { bundleFiles, writeBundle } from './bundle.ts';
export { examine } from './examine.ts';
export type { Outcomes, ProbeName } from './facts.ts';
export { type Finding, type Group, GROUPS, type Status } from './finding.ts';
export { probeProcesses } from './probe-process.ts';
export { type Report, report } from './report.ts';
