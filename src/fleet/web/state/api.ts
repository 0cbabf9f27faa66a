import type { ErrorBody } from '../../../core/index.ts';

/** What the server answered instead of what was asked for; `code` is the contract's, or `offline`. */
export class ApiError extends Error {
  readonly code: string;
  readonly status: number;
  readonly param: string | undefined;

  constructor(code: string, message: string, status: number, param?: string) {
    super(message);
    this.code = code;
    this.status = status;
    this.param = param;
  }
}

/** Set by the session: told when a request was refused because nobody is logged in. */
export const hooks: {
  csrf: string | null;
  authorization: string | null;
  onUnauthorized: () => void;
} = { csrf: null, authorization: null, onUnauthorized: () => {} };

const PATIENCE_MS = 30_000;

/** Relative, so that the page also works below a path of a reverse proxy. */
export const address = (path: string): string => path.replace(/^\//, '');

export function headersFor(changing: boolean): Record<string, string> {
  return {
    ...(hooks.authorization === null ? {} : { authorization: hooks.authorization }),
    ...(changing && hooks.csrf !== null ? { 'x-csrf-token': hooks.csrf } : {}),
  };
}

/** @throws ApiError */
export async function request<Answer>(
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(address(path), {
      method,
      headers: {
        ...headersFor(method !== 'GET'),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      credentials: 'same-origin',
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch (error) {
    throw new ApiError('offline', error instanceof Error ? error.message : String(error), 0);
  }
  if (!response.ok) throw await problemOf(response);
  const text = await response.text();
  return (text === '' ? null : JSON.parse(text)) as Answer;
}

export const get = <Answer>(path: string): Promise<Answer> => request<Answer>('GET', path);

/** Also tells the session when it is over. */
export async function problemOf(response: Response): Promise<ApiError> {
  let error: Partial<ErrorBody> = {};
  try {
    error = ((await response.json()) as { error?: ErrorBody }).error ?? {};
  } catch {
    // A proxy's own page.
  }
  if (response.status === 401) hooks.onUnauthorized();
  return new ApiError(
    error.code ?? 'internal',
    error.message ?? `HTTP ${response.status}`,
    response.status,
    error.param,
  );
}

export const isApiError = (error: unknown): error is ApiError => error instanceof ApiError;
