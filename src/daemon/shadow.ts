import type { Cloud } from '../cloud/index.ts';
import { type Clock, type Logger, noSpan } from '../core/index.ts';
import type { GenerateRequest } from '../protocol/index.ts';
import type { Verdict } from '../router/privacy/index.ts';
import { toCloudRequest } from '../service/index.ts';

/** A shadow answer is worth less than a place in the queue: it may take so long. */
const LONGEST_MS = 60_000;

/** Asks the cloud what the board has answered already, to compare; nobody waits for it. */
export type Shadow = (question: {
  id: string;
  verdict: Verdict;
  asked: GenerateRequest;
  answer: string;
}) => void;

export function createShadow(cloud: Cloud, clock: Clock, logger: Logger): Shadow {
  let compared = 0;
  let same = 0;
  return ({ id, verdict, asked, answer }) => {
    if (!verdict.mayLeave) return;
    const parts = cloud.generate(
      toCloudRequest(asked, verdict, {
        id,
        trace: noSpan,
        tier: null,
        model: null,
        deadlineMs: clock.monotonicMs() + LONGEST_MS,
        patient: false,
        mayRestart: true,
        idempotencyKey: null,
        hops: 0,
      }),
      new AbortController().signal,
    );
    void (async () => {
      for await (const part of parts) {
        if (part.type !== 'done') continue;
        compared += 1;
        const agree = folded(part.result.text) === folded(answer);
        if (agree) same += 1;
        logger.info({ id, agree, compared, same }, 'shadow answer compared');
      }
    })();
  };
}

/** Spaces, letter case and a full stop at the end are no disagreement. */
const folded = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/\s+/g, ' ')
    .trim()
    .replace(/[.。]$/, '');
