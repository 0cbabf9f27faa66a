import type { Outcome, ProbeName } from './facts.ts';

/** What a command line says about the configuration. */
export type ProbeOptions = { config?: string; set: string[]; homeFolder: string };

/** To the probe process, once. */
export type ProbeRequest = { options: ProbeOptions; names: readonly ProbeName[] };

/** From it, once for each name, in order. */
export type ProbeReply = { name: ProbeName; outcome: Outcome<unknown> };
