import { type Clock, type Logger, sleep, TwowattError } from '../../core/index.ts';
import { answerFacts, createEventHub } from './events.ts';
import { createExchanges } from './exchanges.ts';
import { createGuard } from './guard.ts';
import { createLazyListener } from './listener.ts';
import type { BoardEvents, HttpGateway, HttpGatewayHandlers, HttpGatewayOptions } from './types.ts';

/** Throws `invalid_request` for an address beyond loopback without a token. */
export function createHttpGateway(parts: {
  options: HttpGatewayOptions;
  handlers: HttpGatewayHandlers;
  logger: Logger;
  clock: Clock;
}): HttpGateway {
  const { options, handlers, logger, clock } = parts;
  // A wrong combination must show at the start, not with the first connection.
  createGuard(options);
  const exchanges = createExchanges({
    node: options.node,
    instance: options.instance,
    onAbandoned: (id, topic) => handlers.onCancel(id, topic),
  });
  const events = createEventHub(clock);
  const desk = { handlers, exchanges, clock, openByClient: new Map<string, number>() };
  let draining = false;

  const listener = createLazyListener({
    host: options.host,
    port: options.port,
    async load() {
      const { buildServer } = await import('./server.ts');
      return buildServer({ ...parts, desk, events, draining: () => draining });
    },
    onFailure: (error) => logger.error({ error }, 'the web server could not be loaded'),
  });

  return {
    deliver: (answer) => exchanges.deliver(answer),
    trySend: (frame) => exchanges.trySend(frame),
    gone: (prompt) => exchanges.gone(prompt),
    async start() {
      const address = await listener.start();
      logger.info(address, `listening on http://${address.host}:${address.port}`);
      return address;
    },
    setDraining(now) {
      if (draining === now) return;
      draining = now;
      events.tell('state', { state: now ? 'draining' : 'online' } satisfies BoardEvents['state']);
    },
    announce(name, data) {
      events.tell(name, name === 'answer' ? answerFacts(data as BoardEvents['answer']) : data);
    },
    watched: () => events.watched(),
    async close(deadlineMs) {
      draining = true;
      const error = new TwowattError('draining', 'this node stops; its queue did not get so far', {
        retryAfterMs: 5000,
      });
      exchanges.failAll(error.toBody());
      events.close();
      const closed = listener.close();
      await Promise.race([closed, sleep(clock, deadlineMs)]);
      listener.cut();
      await closed;
    },
  };
}
