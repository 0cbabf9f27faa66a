import { join } from 'node:path';
import * as v from 'valibot';
import type { Logger } from '../core/index.ts';
import { GATE_FILE, GATE_FORMAT, type GateFit, type ModelManifest } from '../protocol/index.ts';
import { ModelError } from './errors.ts';
import { type JsonObject, readJsonObjectIfThere } from './json-file.ts';

const finite = v.pipe(v.number(), v.finite());
/** A negative weight would let a signal that speaks for an answer count against it. */
const weight = v.pipe(finite, v.minValue(0));
const share = v.pipe(finite, v.minValue(0), v.maxValue(1));

const model = v.object({
  bias: finite,
  weights: v.object({ prompt: weight, answer: weight, margin: weight, entropy: weight }),
});
const stages = v.object({
  final: v.pipe(v.array(model), v.minLength(1)),
  bar: v.pipe(finite, v.minValue(0.01), v.maxValue(0.99)),
  early: v.pipe(
    v.array(
      v.object({
        answerTokens: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
        escalateBelow: share,
        model,
      }),
    ),
    v.check(
      (points) =>
        points.every((point, i) => i === 0 || point.answerTokens > at(points, i - 1).answerTokens),
      'expected points in rising order of answerTokens',
    ),
  ),
});
const gateSchema = v.object({
  format: v.literal(GATE_FORMAT),
  sourceDigest: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits')),
  form: v.picklist(['int8', 'fp32']),
  scored: v.nullable(stages),
  unscored: stages,
});

function at<T>(list: readonly T[], index: number): T {
  return list[index] as T;
}

/** @throws ModelError `bad_gate` naming the field that is wrong */
export function parseGateFit(value: unknown): GateFit {
  const parsed = v.safeParse(gateSchema, value);
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  const path = v.getDotPath(issue) ?? 'content';
  throw new ModelError(
    'bad_gate',
    GATE_FILE,
    `${GATE_FILE} is not valid: ${path}: ${issue.message}`,
  );
}

/**
 * The gate of a model, from the first of `folders` that has one for this build: the converted folder,
 * then the folder it was made from. A gate of another build, or one that cannot be read, would judge
 * wrongly with a straight face: it is passed over with a line in the log, and the model is used
 * without.
 */
export function findGateFit(
  folders: readonly string[],
  manifest: Pick<ModelManifest, 'sourceDigest' | 'form'>,
  logger: Logger,
): GateFit | null {
  for (const folder of folders) {
    try {
      const value: JsonObject | undefined = readJsonObjectIfThere(
        join(folder, GATE_FILE),
        'bad_gate',
      );
      if (value === undefined) continue;
      const fit = parseGateFit(value);
      if (fit.sourceDigest === manifest.sourceDigest && fit.form === manifest.form) return fit;
      logger.warn({ folder }, `${GATE_FILE} was fitted to another build of the model; not used`);
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      logger.warn({ folder, param: error.param }, `${error.message}; not used`);
    }
  }
  return null;
}
