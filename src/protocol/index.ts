/**
 * protocol: what crosses the border. Topics, prompts, frames, health, telemetry and the shapes that
 * rooms hand each other about generation. Pure: no I/O, no clock, usable by the web page as well.
 */
export * from './decision.ts';
export * from './frames.ts';
export * from './gate-score.ts';
export * from './generation.ts';
export * from './health.ts';
export * from './json.ts';
export * from './model-manifest.ts';
export * from './node.ts';
export * from './power.ts';
export * from './privacy.ts';
export * from './prompt.ts';
export * from './topics.ts';
