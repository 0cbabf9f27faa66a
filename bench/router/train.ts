/**
 * Fits the difficulty score and says how well it does on subjects that it has not seen:
 * `node bench/router/train.ts --data labels.jsonl [--out src/router/coefficients.json] [--folds 8]
 * [--repeats 5] [--json]`. Rows are `{"prompt","weak","strong","group"}`. The groups only make the
 * folds; they are no feature. Deterministic.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { featuresOf } from '../../src/router/features.ts';
import { apgr, cpt, type Labelled } from '../../src/router/metrics.ts';
import { fit, type Row, scoreOf } from './fit.ts';
import { createRandom } from './random.ts';

const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    out: { type: 'string' },
    folds: { type: 'string', default: '8' },
    repeats: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
});
if (options.data === undefined) {
  process.stderr.write('--data FILE.jsonl is needed\n');
  process.exit(2);
}
const BOOTSTRAPS = 1000;

type LabelRow = { prompt: string; weak: boolean; strong: boolean; group: number };
const labels = readFileSync(options.data, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as LabelRow);
const rows: Row[] = labels.map(({ prompt, weak, strong, group }) => ({
  values: featuresOf(prompt),
  gain: Number(strong) - Number(weak),
  group,
}));
/** The question without its options: what the score says must not hang on the option lines. */
const stems = labels.map(({ prompt }) => featuresOf(prompt.replace(/\n[A-E]\. [\s\S]*$/, '')));

const groups = [...new Set(rows.map(({ group }) => group))].toSorted((a, b) => a - b);
const folds = Number(options.folds);

function shuffled(random: () => number): number[] {
  const order = [...groups];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other] as number, order[last] as number];
  }
  return order;
}

const labelled = (scores: readonly number[], which: readonly number[]): Labelled[] =>
  which.map((index) => ({
    weak: Number(labels[index]?.weak),
    strong: Number(labels[index]?.strong),
    score: scores[index] as number,
  }));
const everything = rows.map((_, index) => index);
const mean = (numbers: readonly number[]) =>
  numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
const deviation = (numbers: readonly number[]) =>
  Math.sqrt(mean(numbers.map((x) => (x - mean(numbers)) ** 2)));

const pooled: number[] = [];
const pooledStems: number[] = [];
const perFold: number[] = [];
let firstScores: number[] = [];
for (let repeat = 0; repeat < Number(options.repeats); repeat += 1) {
  const order = shuffled(createRandom(repeat + 1));
  const scores: number[] = [];
  const stemScores: number[] = [];
  for (let fold = 0; fold < folds; fold += 1) {
    const held = new Set(order.filter((_, index) => index % folds === fold));
    const fitted = fit(rows.filter(({ group }) => !held.has(group)));
    const test = everything.filter((index) => held.has(rows[index]?.group as number));
    for (const index of test) {
      scores[index] = scoreOf((rows[index] as Row).values, fitted);
      stemScores[index] = scoreOf(stems[index] as Row['values'], fitted);
    }
    perFold.push(apgr(labelled(scores, test)));
  }
  pooled.push(apgr(labelled(scores, everything)));
  pooledStems.push(apgr(labelled(stemScores, everything)));
  if (repeat === 0) firstScores = scores;
}

/** Whole subjects are drawn, since prompts of one subject are alike. */
function intervalOf(scores: readonly number[]): [number, number] {
  const random = createRandom(99);
  const byGroup = new Map(groups.map((g) => [g, everything.filter((i) => rows[i]?.group === g)]));
  const drawn = Array.from({ length: BOOTSTRAPS }, () =>
    apgr(
      labelled(
        scores,
        groups.flatMap(
          () => byGroup.get(groups[Math.floor(random() * groups.length)] as number) ?? [],
        ),
      ),
    ),
  ).toSorted((a, b) => a - b);
  return [
    drawn[Math.floor(BOOTSTRAPS * 0.025)] as number,
    drawn[Math.floor(BOOTSTRAPS * 0.975)] as number,
  ];
}

const lengths = labels.map(({ prompt }) => prompt.length);
const final = fit(rows);
const report = {
  rows: rows.length,
  groups: groups.length,
  held_out_apgr: mean(pooled),
  held_out_apgr_by_repeat: pooled,
  held_out_interval_95: intervalOf(firstScores),
  fold_apgr_mean: mean(perFold),
  fold_apgr_deviation: deviation(perFold),
  fold_apgr_range: [Math.min(...perFold), Math.max(...perFold)],
  held_out_cpt50: cpt(labelled(firstScores, everything), 0.5),
  held_out_cpt80: cpt(labelled(firstScores, everything), 0.8),
  held_out_apgr_options_removed: mean(pooledStems),
  length_apgr: apgr(labelled(lengths, everything)),
  fitted_on_all_apgr: apgr(
    labelled(
      rows.map(({ values }) => scoreOf(values, final)),
      everything,
    ),
  ),
};
process.stdout.write(`${JSON.stringify(report, null, options.json ? 0 : 2)}\n`);
if (options.out !== undefined) {
  const rounded = JSON.stringify(
    final,
    (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(6)) : value),
    2,
  );
  writeFileSync(options.out, `${rounded}\n`);
}
