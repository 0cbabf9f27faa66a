import {
  GATE_FORMAT,
  type GateEvidence,
  gateEvidence,
  type GateFit,
  type GateModel,
  type GatePoint,
  gateScore,
  type GateStages,
  type ModelManifest,
} from '../../src/protocol/index.ts';
import type { Answered } from './collect-signals.ts';
import { fitLogistic, type Sample } from './logistic.ts';

/** Where growing answers are judged. With the prompt's score the first is before the answer. */
const SCORED_POINTS = [0, 4, 8];
const UNSCORED_POINTS = [4, 8, 16];

/** Share of right answers that a point may give up. */
const LOST_SHARE = 0.005;

type Row = Answered & { set: 'in' | 'typo' | 'out' | 'near' };

/** The signals known at a point: the last that were sent by then, those of a whole short answer included. */
export function signalsAt(row: Answered, answerTokens: number) {
  return row.signals.findLast((signals) => signals.answerTokens <= answerTokens);
}

export const wholeSignals = (row: Answered) => row.signals.at(-1);

type Group = 'right' | 'wrong' | 'outside';

const groupOf = (row: Row): Group =>
  row.right ? 'right' : row.set === 'out' ? 'outside' : 'wrong';

/** What the three groups weigh in a fit, however many prompts there are of each. */
type Shares = Record<Group, number>;

/** Right answers against all others. */
const ALL: Shares = { right: 0.5, wrong: 0.15, outside: 0.35 };
/** Within the domain. Right answers weigh more: each one below the bar is a cloud call for nothing. */
const WITHIN: Shares = { right: 0.85, wrong: 0.15, outside: 0 };
/** The domain against the rest, whatever the answers. */
const KNOWN: Shares = { right: 0.4, wrong: 0.1, outside: 0.5 };

function samplesOf(
  rows: readonly Row[],
  shares: Shares,
  evidenceOf: (row: Row) => GateEvidence | null,
  trusted: (row: Row) => boolean = (row) => row.right,
): Sample[] {
  const counts: Shares = { right: 0, wrong: 0, outside: 0 };
  for (const row of rows) counts[groupOf(row)] += 1;
  return rows.flatMap((row) => {
    const group = groupOf(row);
    const evidence = shares[group] === 0 ? null : evidenceOf(row);
    if (evidence === null) return [];
    return [{ evidence, trusted: trusted(row), weight: shares[group] / counts[group] }];
  });
}

const rounded = (value: number) => Number(value.toPrecision(6));

function roundedModel({ bias, weights }: GateModel): GateModel {
  return {
    bias: rounded(bias),
    weights: {
      prompt: rounded(weights.prompt),
      answer: rounded(weights.answer),
      margin: rounded(weights.margin),
      entropy: rounded(weights.entropy),
    },
  };
}

const wholeEvidence = (row: Row) => {
  const signals = wholeSignals(row);
  return signals?.answerLogprob == null ? null : gateEvidence(signals);
};

/** Whether the model knows such prompts. */
function fitKnown(rows: readonly Row[]): GateModel {
  const inDomain = (row: Row) => row.set !== 'out';
  return roundedModel(
    fitLogistic(samplesOf(rows, KNOWN, wholeEvidence, inDomain), ['prompt'] as const),
  );
}

function fitScored(rows: readonly Row[]): GateStages {
  const known = fitKnown(rows);
  const kinds = ['prompt', 'answer', 'margin', 'entropy'] as const;
  const right = roundedModel(fitLogistic(samplesOf(rows, WITHIN, wholeEvidence), kinds));
  const early = SCORED_POINTS.map((answerTokens) =>
    answerTokens === 0 ? withBar(rows, 0, known) : fitPoint(rows, answerTokens, kinds),
  );
  const final = [known, right];
  return { final, bar: barOf(rows, final), early };
}

function fitUnscored(rows: readonly Row[]): GateStages {
  const kinds = ['answer', 'margin', 'entropy'] as const;
  const final = roundedModel(fitLogistic(samplesOf(rows, ALL, wholeEvidence), kinds));
  const early = UNSCORED_POINTS.map((answerTokens) => fitPoint(rows, answerTokens, kinds));
  return { final: [final], bar: barOf(rows, [final]), early };
}

/** Of the general prompts so many must stay below the bar. */
const BELOW_BAR = 0.98;

/**
 * Halfway, in logits, between the score that hardly any general prompt passes and an even chance: right
 * answers to prompts in other words than the domain's own lie there, general prompts do not.
 */
function barOf(rows: readonly Row[], final: GateModel[]): number {
  const stages: GateStages = { final, bar: 0.5, early: [] };
  const fit = {
    format: GATE_FORMAT,
    sourceDigest: '',
    form: 'int8',
    scored: stages,
    unscored: stages,
  } as const;
  const scores = rows
    .filter((row) => row.set === 'out')
    .flatMap((row) => {
      const signals = wholeSignals(row);
      const score = signals === undefined ? null : gateScore(signals, fit);
      return score === null ? [] : [score];
    })
    .toSorted((a, b) => a - b);
  const most = scores[Math.floor(BELOW_BAR * scores.length)] ?? 0.5;
  const halfway = 1 / (1 + Math.sqrt((1 - most) / most));
  return rounded(Math.min(0.5, Math.max(0.01, halfway)));
}

/** Answers that have ended by then are judged as a whole, and not here. */
const growingAt = (rows: readonly Row[], answerTokens: number) =>
  rows.filter((row) => row.completionTokens > answerTokens);

function fitPoint(
  rows: readonly Row[],
  answerTokens: number,
  kinds: readonly (keyof GateEvidence)[],
): GatePoint {
  const samples = samplesOf(growingAt(rows, answerTokens), ALL, (row) => {
    const signals = signalsAt(row, answerTokens);
    return signals === undefined ? null : gateEvidence(signals);
  });
  return withBar(rows, answerTokens, roundedModel(fitLogistic(samples, kinds)));
}

/** The bar below which only so few right answers lie, and never above the one at the end. */
function withBar(rows: readonly Row[], answerTokens: number, model: GateModel): GatePoint {
  const point = { answerTokens, escalateBelow: 0, model };
  const scores = growingAt(rows, answerTokens)
    .filter((row) => row.right)
    .map((row) => pointScore(row, point) ?? 1)
    .toSorted((a, b) => a - b);
  const bar = scores[Math.floor(LOST_SHARE * scores.length)] ?? 0;
  return { ...point, escalateBelow: rounded(Math.min(0.5, bar)) };
}

/** What a point's own model says of an answer that has grown so far. */
export function pointScore(row: Answered, { answerTokens, model }: GatePoint): number | null {
  const signals = signalsAt(row, answerTokens);
  if (signals === undefined) return null;
  const lone: GateStages = { final: [model], bar: 0.5, early: [] };
  return gateScore(
    { ...signals, answerLogprob: signals.answerLogprob ?? 0 },
    { format: GATE_FORMAT, sourceDigest: '', form: 'int8', scored: lone, unscored: lone },
  );
}

/** The gate of a build, from answers within and outside of its domain. */
export function fitGate(rows: readonly Row[], manifest: ModelManifest): GateFit {
  const unscored = rows.map((row) => ({
    ...row,
    signals: row.signals.map((signals) => ({ ...signals, promptLogprob: null })),
  }));
  return {
    format: GATE_FORMAT,
    sourceDigest: manifest.sourceDigest,
    form: manifest.form,
    scored: manifest.promptScores ? fitScored(rows) : null,
    unscored: fitUnscored(unscored),
  };
}
