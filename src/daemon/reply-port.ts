import type { ReplyAddress } from '../queue/index.ts';
import type { ReplyPort } from '../service/index.ts';

/**
 * Sends each answer out by the gateway that its prompt came in by, so that neither kind of client can
 * reach the other's. With HTTP switched off, what an earlier life took in over it has no way back.
 */
export function createReplyPort(gateways: { mqtt: ReplyPort; http: ReplyPort | null }): ReplyPort {
  const of = ({ kind }: ReplyAddress) => gateways[kind];
  return {
    deliver: async (answer) => of(answer.reply)?.deliver(answer) ?? true,
    trySend: (answer) => of(answer.reply)?.trySend(answer),
    gone: (prompt) => of(prompt.reply)?.gone(prompt) ?? true,
  };
}
