import {
  type Clock,
  type Logger,
  type Tracing,
  TwowattError,
  toTwowattError,
} from '../core/index.ts';
import type { Journal, NewPrompt, ReplyAddress } from '../queue/types.ts';
import { admit, type AdmissionRules } from './admission.ts';
import { encodeFrame, errorFrame, frameHead } from './answers.ts';
import type { Availability } from './availability.ts';
import { refuseEarly } from './early-refusal.ts';
import type { Estimate } from './estimate.ts';
import type { Outbox } from './outbox.ts';
import type { Engine, InboundPrompt, ReplyPort, Routing } from './ports.ts';
import { endPromptSpan, spanKind } from './prompt-span.ts';
import type { PipelineTotals } from './totals.ts';

/** A packet that the broker has sent before. */
const redelivery = ({ redelivered }: InboundPrompt) => (redelivered ? { redelivered } : {});

/** The way in: checks a message, and has it safe on disk or refused when it resolves. Never rejects. */
export function createIntake(parts: {
  node: string;
  rules: () => AdmissionRules;
  logPrompts: () => boolean;
  draining: () => boolean;
  clock: Clock;
  logger: Logger;
  tracing: Tracing;
  journal: Journal;
  engine: Engine;
  routing: Routing;
  port: ReplyPort;
  outbox: Outbox;
  estimate: Estimate;
  availability: Availability;
  totals: PipelineTotals;
  /** A prompt is new and on disk. */
  onAccepted: (seq: number, prompt: NewPrompt, ahead: number) => void;
}): (inbound: InboundPrompt) => Promise<void> {
  const { node, clock, logger, tracing, journal, engine, routing, port } = parts;
  const { outbox, estimate, availability, totals } = parts;

  /** Log fields that tell what people wrote. */
  function shown(fields: Record<string, unknown>): Record<string, unknown> {
    return parts.logPrompts() ? fields : {};
  }

  function refuse(id: string, reply: ReplyAddress, error: TwowattError): void {
    totals.rejected += 1;
    logger.info({ id, code: error.code, param: error.param }, 'prompt refused');
    const payload = encodeFrame(errorFrame(frameHead(id, node), error), reply.format);
    if (payload === undefined) return;
    // Not awaited: see the pipeline's invariant. Nothing was accepted, so nothing need be stored.
    void port.deliver({ seq: 0, id, reply, payload });
  }

  return async (inbound) => {
    const receivedMs = clock.monotonicMs();
    const origin = tracing.begin(inbound.traceparent);
    const admission = admit(inbound, parts.rules(), origin);
    const trace = tracing.under(origin?.traceparent);
    trace
      .child('receive', { fromMs: receivedMs })
      .end({ attributes: { 'twowatt.bytes': inbound.payloadBytes } });
    if (admission.kind === 'refused') {
      refuse(admission.id, admission.reply, admission.error);
      tracing.prompt(origin, spanKind(inbound.kind)).end({ error: admission.error.code });
      return;
    }
    const { prompt, body } = admission;
    logger.debug(
      { id: prompt.id, kind: inbound.kind, bytes: inbound.payloadBytes, ...redelivery(inbound) },
      'prompt received',
    );
    try {
      refuseEarly(
        {
          priorityEtaMs: estimate.firstTokenMs(journal.aheadOf(prompt.priority)),
          draining: parts.draining(),
        },
        prompt,
        body,
        { engine, routing, availability },
      );
      const writing = trace.child('journal');
      const accepted = journal.accept(prompt);
      writing.end({ attributes: { 'twowatt.found': accepted.kind } });
      switch (accepted.kind) {
        case 'accepted':
          totals.accepted += 1;
          logger.info(
            { id: prompt.id, ahead: accepted.ahead, ...shown({ prompt: body.generate }) },
            'prompt accepted',
          );
          if (body.stream) {
            const eta = estimate.firstTokenMs(accepted.ahead);
            const payload = JSON.stringify({
              ...frameHead(prompt.id, node),
              type: 'accepted',
              queue_position: accepted.ahead,
              eta_ms: eta === null ? null : Math.round(eta),
            });
            port.trySend({ id: prompt.id, reply: prompt.reply, payload });
          }
          parts.onAccepted(accepted.seq, prompt, accepted.ahead);
          return;
        case 'in_progress':
          // Its answer will reach the same topic.
          tracing.prompt(origin, spanKind(inbound.kind)).end();
          return;
        case 'answered':
          outbox.sendAgain(accepted.answer);
          tracing.prompt(origin, spanKind(inbound.kind)).end();
          return;
        case 'conflict':
          throw new TwowattError(
            'invalid_request',
            'id: this id was used with another body a short while ago; choose a new one',
            { param: 'id' },
          );
      }
    } catch (error) {
      const coded = toTwowattError(error);
      if (!(error instanceof TwowattError)) logger.error({ id: prompt.id, error }, 'accept failed');
      refuse(prompt.id, prompt.reply, coded);
      endPromptSpan(tracing, prompt, errorFrame(frameHead(prompt.id, node), coded));
    }
  };
}
