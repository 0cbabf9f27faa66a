import { createSystemClock } from '../../src/core/index.ts';
import { createFakeEngine } from '../fakes/fake-engine.ts';
import { openNano, wild } from '../integration/engine/nano.ts';
import { engineContract } from './engine.suite.ts';

engineContract('the supervisor of the real engine', async () => {
  const nano = await openNano();
  return { engine: nano.engine, long: wild(40), dispose: nano.dispose };
});

engineContract('the fake engine', async () => {
  const engine = createFakeEngine({
    clock: createSystemClock(),
    answer: () => 'a scripted answer of more than twenty characters',
    tokenMs: 1,
  });
  return { engine, long: wild(40), dispose: () => engine.close() };
});
