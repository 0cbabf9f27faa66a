/** A span's place: 16 and 8 bytes in lower-case hexadecimal, and whether its trace is recorded. */
export type SpanContext = { traceId: string; spanId: string; sampled: boolean };

const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const SAMPLED = 1;
const ONLY_ZEROS = /^0+$/;

/** Reads a `traceparent` (W3C Trace Context, level 1, section 3.2); null for one that is to be ignored. */
export function parseTraceparent(text: string): SpanContext | null {
  const [, version = 'ff', traceId = '', spanId = '', flags = '', more] = FORM.exec(text) ?? [];
  // Later versions may say more after a dash; the one that is known must not.
  if (version === 'ff' || (version === '00' && more !== undefined)) return null;
  if (ONLY_ZEROS.test(traceId) || ONLY_ZEROS.test(spanId)) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
}

export const formatTraceparent = ({ traceId, spanId, sampled }: SpanContext): string =>
  `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
