import {
  answerScore,
  type ConfidenceSignals,
  earlyGate,
  type GateFit,
  gateScore,
} from '../../src/protocol/index.ts';
import type { Answered } from './collect-signals.ts';
import { pointScore, signalsAt, wholeSignals } from './gate-fitting.ts';
import { auroc, wilson } from './statistics.ts';

type Row = Answered & { set: 'in' | 'typo' | 'out' | 'near' };
export type Table = { title: string; rows: Record<string, Record<string, string>> };
type Score = (row: Row) => number;

/** An answer without a score is trusted least. */
const UNKNOWN = -1;

const confidence: Score = (row) => {
  const mean = wholeSignals(row)?.answerLogprob ?? null;
  return answerScore({ confidence: mean === null ? null : Math.exp(mean) }, null) ?? UNKNOWN;
};

function withoutPrompt(signals: ConfidenceSignals): ConfidenceSignals {
  return { ...signals, promptLogprob: null };
}

function area(positives: readonly Row[], negatives: readonly Row[], score: Score): string {
  if (positives.length === 0 || negatives.length === 0) return 'no such prompts';
  const { area: value, low, high } = auroc(positives.map(score), negatives.map(score));
  return `${value.toFixed(4)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
}

function share(count: number, n: number): string {
  if (n === 0) return 'no such prompts';
  const { low, high } = wilson(count, n);
  const percent = (value: number) => (100 * value).toFixed(1);
  return `${percent(count / n)} % of ${n} (${percent(low)} to ${percent(high)})`;
}

/** Tables of the scored half; intervals are of 95 %. */
export function judgeGate(rows: readonly Row[], fit: GateFit): Table[] {
  const of = (set: Row['set']) => rows.filter((row) => row.set === set);
  const [inside, typo, outside, near] = [of('in'), of('typo'), of('out'), of('near')];
  const both = [...inside, ...typo];
  const right = (list: readonly Row[]) => list.filter((row) => row.right);
  const wrong = (list: readonly Row[]) => list.filter((row) => !row.right);

  const gate: Score = (row) => {
    const signals = wholeSignals(row);
    return (signals && gateScore(signals, fit)) ?? UNKNOWN;
  };
  const gateWithoutPrompt: Score = (row) => {
    const signals = wholeSignals(row);
    return (signals && gateScore(withoutPrompt(signals), fit)) ?? UNKNOWN;
  };
  const finals: [string, Score][] = [
    ['confidence', confidence],
    ['gate', gate],
    ['gate without prompt score', gateWithoutPrompt],
  ];
  const aurocs = (score: Score) => ({
    'in / out': area(inside, outside, score),
    'in / near': area(inside, near, score),
    'right / wrong': area(right(inside), wrong(inside), score),
    'right / wrong, misspelt too': area(right(both), wrong(both), score),
  });
  const below = (list: readonly Row[], score: Score) =>
    share(list.filter((row) => score(row) < 0.5).length, list.length);
  const stages = fit.scored ?? fit.unscored;

  return [
    {
      title: `AUROC; ${wrong(inside).length} of ${inside.length} answers are wrong, misspelt too ${wrong(both).length} of ${both.length}`,
      rows: Object.fromEntries(finals.map(([name, score]) => [name, aurocs(score)])),
    },
    {
      title: 'below 0.5',
      rows: Object.fromEntries(
        finals.map(([name, score]) => [
          name,
          {
            out: below(outside, score),
            near: below(near, score),
            in: below(inside, score),
            'in and right': below(right(inside), score),
            misspelt: below(typo, score),
            'misspelt and wrong': below(wrong(typo), score),
          },
        ]),
      ),
    },
    {
      title: 'while the answer grows: AUROC of what is known by then, answers given up by then',
      rows: Object.fromEntries(
        stages.early.map((point) => {
          const score: Score = (row) => pointScore(row, point) ?? UNKNOWN;
          const givenUp = (row: Row) =>
            stages.early.some(({ answerTokens }) => {
              if (answerTokens > point.answerTokens || answerTokens >= row.completionTokens) {
                return false;
              }
              const signals = signalsAt(row, answerTokens);
              return signals !== undefined && earlyGate(signals, fit);
            });
          const lost = (list: readonly Row[]) => share(list.filter(givenUp).length, list.length);
          return [
            `after ${point.answerTokens} tokens`,
            {
              'in / out': area(inside, outside, score),
              out: lost(outside),
              near: lost(near),
              'in and right': lost(right(inside)),
              'misspelt and right': lost(right(typo)),
            },
          ];
        }),
      ),
    },
  ];
}
