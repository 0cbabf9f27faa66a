/**
 * The one table of error codes that leave the product, with the HTTP status of each and whether
 * trying the same request again can help. `docs/protocol.md` restates it; a test holds both together.
 */
export const ERROR_TABLE = {
  invalid_request: { httpStatus: 400, retryable: false },
  payload_too_large: { httpStatus: 413, retryable: false },
  context_length_exceeded: { httpStatus: 400, retryable: false },
  unsupported: { httpStatus: 501, retryable: false },
  queue_full: { httpStatus: 429, retryable: true },
  expired: { httpStatus: 504, retryable: true },
  deadline_unmeetable: { httpStatus: 504, retryable: true },
  cancelled: { httpStatus: 499, retryable: false },
  model_unavailable: { httpStatus: 503, retryable: true },
  power_limited: { httpStatus: 503, retryable: true },
  thermal_limited: { httpStatus: 503, retryable: true },
  cloud_unavailable: { httpStatus: 502, retryable: true },
  cloud_budget_exhausted: { httpStatus: 402, retryable: true },
  privacy_blocked: { httpStatus: 403, retryable: false },
  low_confidence: { httpStatus: 422, retryable: false },
  unauthorized: { httpStatus: 401, retryable: false },
  rate_limited: { httpStatus: 429, retryable: true },
  draining: { httpStatus: 503, retryable: true },
  internal: { httpStatus: 500, retryable: true },
} as const satisfies Record<string, { httpStatus: number; retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_TABLE;

/** What an `error` frame carries under `error`. */
export type ErrorBody = {
  code: ErrorCode;
  message: string;
  retryable: boolean;
  retry_after_ms?: number;
  param?: string;
};

export type ErrorOptions = {
  /** The request field, config key, tensor or file that the error is about. */
  param?: string;
  retryAfterMs?: number;
  cause?: unknown;
};

/** The base of every error that a user of the product may see. */
export class TwowattError extends Error {
  readonly code: ErrorCode;
  readonly param: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TwowattError';
    this.code = code;
    this.param = options.param;
    this.retryAfterMs = options.retryAfterMs;
  }

  get retryable(): boolean {
    return ERROR_TABLE[this.code].retryable;
  }

  toBody(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      retryable: this.retryable,
      ...(this.retryAfterMs === undefined ? {} : { retry_after_ms: Math.ceil(this.retryAfterMs) }),
      ...(this.param === undefined ? {} : { param: this.param }),
    };
  }

  static fromBody(body: ErrorBody): TwowattError {
    return new TwowattError(body.code, body.message, {
      ...(body.param === undefined ? {} : { param: body.param }),
      ...(body.retry_after_ms === undefined ? {} : { retryAfterMs: body.retry_after_ms }),
    });
  }
}

/** Any thrown value as a coded error; what is not ours becomes `internal`. */
export function toTwowattError(thrown: unknown): TwowattError {
  if (thrown instanceof TwowattError) return thrown;
  return new TwowattError('internal', thrown instanceof Error ? thrown.message : String(thrown), {
    cause: thrown,
  });
}

/** True for a Node system error with one of these codes (ENOENT, ENOSPC, …). */
export function isErrno(thrown: unknown, ...codes: string[]): thrown is NodeJS.ErrnoException {
  return (
    thrown instanceof Error &&
    typeof (thrown as NodeJS.ErrnoException).code === 'string' &&
    codes.includes((thrown as NodeJS.ErrnoException).code as string)
  );
}
