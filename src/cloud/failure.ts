import { type Clock, type ErrorCode, isErrno } from '../core/index.ts';

/** Why one call did not answer. */
export type Failure = {
  /** What the prompt ends with when nothing else can be tried. */
  code: ErrorCode;
  /** For whoever asked; holds neither the prompt nor a key. */
  message: string;
  /** For logs and state: never text of a provider. */
  reason: string;
  /** `retry`: here or elsewhere; `elsewhere`: not here; `final`: the request itself is at fault. */
  next: 'retry' | 'elsewhere' | 'final';
  /** What it says of the endpoint: down, misconfigured, alive, or nothing at all. */
  blame: 'down' | 'broken' | 'alive' | 'none';
  retryAfterMs?: number;
};

export const unavailable = (
  reason: string,
  rest: Partial<Pick<Failure, 'next' | 'blame' | 'retryAfterMs' | 'message'>> = {},
): Failure => ({
  code: 'cloud_unavailable',
  message: `the cloud endpoint failed (${reason})`,
  reason,
  next: 'retry',
  blame: 'down',
  ...rest,
});

/** A server that asks for more than this is asked again all the same: its date may be nonsense. */
const LONGEST_REST_MS = 3_600_000;

/**
 * `Retry-After` in milliseconds (RFC 9110, 10.2.3: seconds or a date); undefined when absent or
 * unreadable. A date is compared with the response's own `Date`, since the board's clock may be wrong,
 * and with the board's only when that is to be trusted.
 */
export function retryAfterMs(
  headers: Readonly<Record<string, string | undefined>>,
  clock: Clock,
): number | undefined {
  const value = headers['retry-after']?.trim();
  if (value === undefined || value === '') return undefined;
  const bounded = (ms: number) => Math.min(LONGEST_REST_MS, Math.max(0, ms));
  if (/^\d+(\.\d+)?$/.test(value)) return bounded(Number(value) * 1000);
  const untilMs = Date.parse(value);
  if (Number.isNaN(untilMs)) return undefined;
  const servedMs = Date.parse(headers['date'] ?? '');
  if (!Number.isNaN(servedMs)) return bounded(untilMs - servedMs);
  return clock.wallTrusted() ? bounded(untilMs - clock.wallMs()) : undefined;
}

/** vLLM, SGLang, FastDeploy, llama.cpp, Qianfan and OpenAI each say it in their own words. */
const TOO_LONG =
  /context.?(length|window|size)|(max(imum)?|input|prompt|token).{0,40}(too long|exceed)|exceed.{0,60}(token|context|length)|(too|is) long(er)?.{0,40}(token|context|model)/i;
const NO_MONEY = /insufficient_quota|quota.{0,20}(exceed|exhaust)|billing|arrears|balance/i;

/**
 * What an HTTP status means, with the code and message of its body. `said` is matched against known
 * words only; `clean` is what may be shown of it.
 */
export function failureOfStatus(
  status: number,
  said: { code: string; message: string },
  clean: string,
  restMs: number | undefined,
): Failure {
  const reason = `http ${status}`;
  const words = clean === '' ? '' : `: ${clean}`;
  const rest = restMs === undefined ? {} : { retryAfterMs: restMs };
  const message = `the cloud endpoint answered ${status}${words}`;
  if ([400, 404, 413, 422].includes(status) && TOO_LONG.test(`${said.code} ${said.message}`)) {
    return { code: 'context_length_exceeded', message, reason, next: 'final', blame: 'alive' };
  }
  if (status === 413) {
    return { code: 'payload_too_large', message, reason, next: 'final', blame: 'alive' };
  }
  if (status === 400 || status === 422) {
    return { code: 'invalid_request', message, reason, next: 'final', blame: 'alive' };
  }
  if (status === 429 && NO_MONEY.test(`${said.code} ${said.message}`)) {
    return unavailable('no credit', { message, next: 'elsewhere', blame: 'broken', ...rest });
  }
  if (status === 429) return unavailable(reason, { message, blame: 'alive', ...rest });
  if ([408, 409, 425].includes(status)) return unavailable(reason, { message, ...rest });
  // Of this request, not of the endpoint: what it asks for is not served there, or it came in a circle.
  if (status === 501 || status === 508) {
    return unavailable(reason, { message, next: 'elsewhere', blame: 'alive' });
  }
  if (status >= 500 && status !== 505) return unavailable(reason, { message, ...rest });
  return unavailable(reason, { message, next: 'elsewhere', blame: 'broken', ...rest });
}

const NETWORK_REASONS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ENOTFOUND: 'name not found',
  EAI_AGAIN: 'name not found',
  EHOSTUNREACH: 'no route',
  ENETUNREACH: 'no network',
  ETIMEDOUT: 'connect timeout',
  EPIPE: 'connection reset',
  UND_ERR_CONNECT_TIMEOUT: 'connect timeout',
  UND_ERR_SOCKET: 'connection reset',
};

/** What a rejected `post` or a broken body means. */
export function failureOfThrown(thrown: unknown): Failure {
  const reasons = Object.entries(NETWORK_REASONS);
  const found = reasons.find(([code]) => isErrno(thrown, code))?.[1];
  return unavailable(found ?? 'connection failed');
}
