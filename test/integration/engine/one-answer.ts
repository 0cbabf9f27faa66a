/** Run by privacy.test.ts under strace: the engine at work, as the daemon starts it. */
import { createSystemClock, silentLogger } from '../../../src/core/index.ts';
import { createEngineSupervisor } from '../../../src/engine/index.ts';

const engine = createEngineSupervisor({
  modelFolder: process.argv[2] as string,
  threads: 1,
  logger: silentLogger,
  clock: createSystemClock(),
});
engine.start();
const request = {
  prompt: 'User: ',
  maxTokens: 5,
  sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, seed: null },
  stop: [],
  topLogprobs: null,
};
for await (const part of engine.generate(request, new AbortController().signal)) {
  if (part.type !== 'delta') process.stdout.write(`${part.type}\n`);
}
await engine.close();
