/**
 * gateway/http: the node as an OpenAI-compatible server, and its figures for scrapers and pages.
 *
 * Promises:
 * - a prompt goes the same way as one over MQTT (same checks, same journal) and its answer comes
 *   back on the connection that asked; nobody else can address that connection;
 * - who hangs up cancels their prompt, unless another connection waits for the same answer;
 * - a stream never takes back text that it has sent;
 * - memory is bounded: connections, bodies, headers, slow readers and remembered clients;
 * - the web server is loaded with the first connection: a board that nobody asks over HTTP does not
 *   pay for it.
 */
export { createHttpGateway } from './gateway.ts';
export type { HttpGateway, ServedModel } from './types.ts';
