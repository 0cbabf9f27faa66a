import { TwowattError } from '../core/index.ts';
import type { EngineStatus } from '../protocol/index.ts';

type Watched = {
  status(): EngineStatus;
  onStatus(listener: (status: EngineStatus) => void): () => void;
};

/** Resolves when the engine has loaded its model; throws its problem when it cannot. */
export function untilReady(engine: Watched): Promise<void> {
  return new Promise((resolve, reject) => {
    let stop: (() => void) | undefined;
    const look = (status: EngineStatus) => {
      if (status.state === 'starting' || status.state === 'restarting') return;
      stop?.();
      if (status.problem === null) resolve();
      else reject(TwowattError.fromBody(status.problem));
    };
    stop = engine.onStatus(look);
    look(engine.status());
  });
}
