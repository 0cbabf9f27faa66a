import { TwowattError } from '../core/index.ts';
import { requestBody, requestUrl } from './body.ts';
import type { CloudEndpoint, CloudRequest, Transport, TransportResponse } from './types.ts';

export type Send = (
  endpoint: CloudEndpoint,
  request: CloudRequest,
  /** Of the call's span; null where nothing is traced. */
  traceparent: string | null,
  signal: AbortSignal,
) => Promise<TransportResponse>;

/**
 * The one place where a prompt leaves the board. First calls, retries, hedges and failover all come
 * through here, and each of them is refused with `privacy_blocked` unless the request says at that
 * moment that it may leave. Nobody else holds the transport.
 */
export function createSend(transport: Transport): Send {
  return async (endpoint, request, traceparent, signal) => {
    // Typed as unknown: text such as "false" from some careless caller must not pass for a yes.
    const mayLeave: unknown = request.mayLeave;
    if (mayLeave !== true) {
      throw new TwowattError('privacy_blocked', 'this prompt may not leave the board');
    }
    signal.throwIfAborted();
    return transport.post(
      {
        url: requestUrl(endpoint, request),
        headers: {
          'content-type': 'application/json',
          accept: 'text/event-stream, application/json',
          'user-agent': 'twowatt',
          'twowatt-hops': String(request.hops + 1),
          ...(endpoint.apiKey === null ? {} : { authorization: `Bearer ${endpoint.apiKey}` }),
          ...(traceparent === null ? {} : { traceparent }),
          ...(request.idempotencyKey === null ? {} : { 'idempotency-key': request.idempotencyKey }),
        },
        body: requestBody(endpoint, request),
        connectTimeoutMs: endpoint.connectTimeoutMs,
        maxConnections: endpoint.maxConcurrency,
      },
      signal,
    );
  };
}
