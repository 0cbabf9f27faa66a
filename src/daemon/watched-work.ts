import type { Pipeline } from '../service/index.ts';
import type { Governing } from './governing.ts';
import type { ModelEngine } from './model-engine.ts';
import type { WatchedWork } from './sd-notify.ts';

/**
 * What the service manager's watchdog looks at. A step and a load are the engine supervisor's to bound,
 * waits at the gate the governor's, and calls of the cloud have deadlines, so long legal work never
 * trips it; what is left is the daemon's own: its event loop, a ready engine that gets no work, a
 * supervisor that did not end what it should have ended, a governor that no longer decides.
 */
export function watchedWork(parts: {
  engine: ModelEngine;
  pipeline: Pipeline;
  governing: Governing;
  /** The stop has its own deadlines. */
  stopping: () => boolean;
}): WatchedWork[] {
  const { engine, pipeline, governing, stopping } = parts;
  return [
    {
      name: 'prompts',
      progress: () => engine.progress() + pipeline.progress(),
      idle() {
        if (stopping()) return true;
        if (engine.status().state !== 'ready') return !engine.overdue();
        return pipeline.slotsBusy() === 0 && !pipeline.neglects();
      },
    },
    {
      name: 'governor',
      progress: () => governing.decisions(),
      idle: () => stopping() || governing.decision() === null,
    },
  ];
}
