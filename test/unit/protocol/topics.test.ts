import { describe, expect, it } from 'vitest';
import { nodeTopics, poolTopics, replyTopicProblem } from '../../../src/protocol/index.ts';

const BASE = 'twowatt/v1';
const problem = (topic: string) => replyTopicProblem(topic, BASE);

describe('reply topics', () => {
  it.each([['my/replies'], ['twowatt/v1/pi/reply/abc'], ['elsewhere/pi/prompt'], ['a b']])(
    'allows %s',
    (topic) => {
      expect(problem(topic)).toBeUndefined();
    },
  );

  const own = nodeTopics(BASE, 'pi');
  it.each([
    [''],
    ['a/+/b'],
    ['a/#'],
    ['$SYS/x'],
    ['a\u0000b'],
    ['x'.repeat(1025)],
    [own.prompt],
    [own.promptText],
    [own.cancel],
    [own.state],
    [own.info],
    [own.health],
    [own.telemetry],
    [`${own.requestPrefix}drain`],
    [`${own.requestPrefix}a/b`],
    ['twowatt/v1/neighbour/request/drain'],
    ['twowatt/v1/neighbour/prompt'],
    [poolTopics(BASE, 'shed').prompt],
    [poolTopics(BASE, 'shed').cancel],
  ])('refuses %.40s', (topic) => {
    expect(problem(topic)).toBeTypeOf('string');
  });
});
