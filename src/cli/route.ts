import { readFileSync, writeFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { isErrno } from '../core/index.ts';
import type { LabelledPrompt } from '../router/index.ts';
import { action, CliError, type CommonOptions, EXIT, withCommonOptions } from './common.ts';
import { explainRoute, type ExplainOptions } from './route-explain.ts';

type DataOptions = CommonOptions & { data: string };
type EvalOptions = DataOptions & { scores?: string; edgeCost: number };
type CalibrateOptions = DataOptions & { share: number; chart?: string };

/** The rows of a file of prompts; every bad row is named by its line. */
async function readRows(file: string): Promise<LabelledPrompt[]> {
  const { parseLabels } = await import('../router/index.ts');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const why = isErrno(error, 'ENOENT') ? 'there is no such file' : String(error);
    throw new CliError(EXIT.usage, `${file}: ${why}`);
  }
  try {
    return parseLabels(text);
  } catch (error) {
    if (error instanceof RangeError) throw new CliError(EXIT.usage, `${file}: ${error.message}`);
    throw error;
  }
}

function writeResult(file: string, content: string): void {
  try {
    writeFileSync(file, content);
  } catch (error) {
    throw new CliError(EXIT.failed, `${file} cannot be written: ${String(error)}`);
  }
}

/** Difficulty of every row, and the milliseconds that each took. */
async function scoreRows(rows: readonly LabelledPrompt[]) {
  const { scorePrompt } = await import('../router/index.ts');
  const { createSystemClock } = await import('../core/index.ts');
  const clock = createSystemClock();
  const timesMs: number[] = [];
  const scores = rows.map(({ prompt }) => {
    const startedMs = clock.monotonicMs();
    const { difficulty } = scorePrompt(prompt);
    timesMs.push(clock.monotonicMs() - startedMs);
    return difficulty;
  });
  return { scores, timesMs: timesMs.toSorted((a, b) => a - b) };
}

function labelledOnly(rows: readonly LabelledPrompt[], scores: readonly number[]) {
  return rows.flatMap(({ label }, index) =>
    label === null ? [] : [{ ...label, score: scores[index] as number }],
  );
}

const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
/** JSON knows no NaN, and a metric that cannot be computed is no number. */
const orNull = (value: number | null) => (value === null || Number.isNaN(value) ? null : value);
const shown = (value: number | null, digits = 3) =>
  value === null ? 'not defined' : value.toFixed(digits);

async function evaluate(options: EvalOptions): Promise<void> {
  const { apgr, auroc, cpt, saving } = await import('../router/index.ts');
  const threshold = await configuredThreshold(options);
  const rows = await readRows(options.data);
  const { scores, timesMs } = await scoreRows(rows);
  if (options.scores !== undefined) {
    const lines = scores.map((difficulty) => `${JSON.stringify({ difficulty })}\n`);
    writeResult(options.scores, lines.join(''));
  }
  const labelled = labelledOnly(rows, scores);
  const known = labelled.length > 0;
  const [cpt50, cpt80] = [0.5, 0.8].map((part) => (known ? cpt(labelled, part) : null)) as [
    number | null,
    number | null,
  ];
  const wrong = labelled.map(({ weak, score }) => ({ positive: weak < 0.5, score }));
  const saved = (share: number | null) =>
    share === null ? null : saving(share, { edgeCost: options.edgeCost });
  const report = {
    rows: rows.length,
    labelled: labelled.length,
    weak_quality: known ? mean(labelled.map(({ weak }) => weak)) : null,
    strong_quality: known ? mean(labelled.map(({ strong }) => strong)) : null,
    apgr: known ? orNull(apgr(labelled)) : null,
    cpt50,
    cpt80,
    saving_at_cpt50: saved(cpt50),
    saving_at_cpt80: saved(cpt80),
    auroc_weak_wrong: known ? orNull(auroc(wrong)) : null,
    threshold,
    cloud_share_at_threshold: mean(scores.map((score) => (score > threshold ? 1 : 0))),
    decision_p50_ms: timesMs[Math.floor(timesMs.length / 2)] ?? null,
    decision_p99_ms: timesMs[Math.floor(timesMs.length * 0.99)] ?? null,
  };
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
  for (const [name, value] of Object.entries(report)) {
    const whole = name === 'rows' || name === 'labelled';
    process.stdout.write(`${name.padEnd(26)} ${shown(value, whole ? 0 : 4)}\n`);
  }
  if (!known) process.stderr.write('twowatt: no row has weak and strong: nothing to judge by\n');
}

async function configuredThreshold(options: CommonOptions): Promise<number> {
  const { loadConfigForCli } = await import('./config.ts');
  return loadConfigForCli(options).values.router.difficulty_threshold;
}

async function calibrate(options: CalibrateOptions): Promise<void> {
  const { qualityCurve, thresholdForShare } = await import('../router/index.ts');
  const configured = await configuredThreshold(options);
  const rows = await readRows(options.data);
  const { scores } = await scoreRows(rows);
  // Enough digits to keep neighbours apart, few enough to be copied by hand.
  const threshold = Number(thresholdForShare(scores, options.share).toFixed(4));
  const shareAt = (limit: number) => mean(scores.map((score) => (score > limit ? 1 : 0)));
  const labelled = labelledOnly(rows, scores);
  const curve = labelled.length > 0 ? qualityCurve(labelled) : [];
  const table = Array.from({ length: 11 }, (_, index) => index / 10).map((share) => {
    const at = curve.findLast((point) => point.share <= share + 1e-9);
    return {
      share,
      threshold: thresholdForShare(scores, share),
      quality: at?.quality ?? null,
      pgr: at === undefined ? null : orNull(at.pgr),
    };
  });
  if (options.chart !== undefined) {
    if (curve.length === 0) {
      throw new CliError(EXIT.usage, `${options.data}: a chart needs rows with weak and strong`);
    }
    const { drawCurve } = await import('./route-chart.ts');
    writeResult(options.chart, drawCurve(curve, { share: options.share, threshold }));
  }
  const setting = `router.difficulty_threshold=${threshold}`;
  if (options.json === true) {
    const body = { rows: rows.length, labelled: labelled.length, share: options.share, threshold };
    const achieved = {
      achieved_share: shareAt(threshold),
      share_as_configured: shareAt(configured),
    };
    process.stdout.write(`${JSON.stringify({ ...body, ...achieved, setting, curve: table })}\n`);
    return;
  }
  process.stdout.write('cloud share  threshold  quality  gap recovered\n');
  for (const { share, threshold: limit, quality, pgr } of table) {
    const cells = [
      `${Math.round(share * 100)} %`.padStart(11),
      limit.toFixed(4).padStart(9),
      (quality === null ? '–' : quality.toFixed(4)).padStart(7),
      (pgr === null ? '–' : `${(pgr * 100).toFixed(1)} %`).padStart(13),
    ];
    process.stdout.write(`${cells.join('  ')}\n`);
  }
  process.stdout.write(
    `\nfor a cloud share of ${(options.share * 100).toFixed(0)} % (here ${(shareAt(threshold) * 100).toFixed(1)} %; ` +
      `as configured, ${configured} gives ${(shareAt(configured) * 100).toFixed(1)} %):\n` +
      `--set ${setting}\n`,
  );
}

function zeroToOne(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1)) {
    throw new InvalidArgumentError('expected a number from 0 to 1');
  }
  return value;
}

export function addRouteCommand(program: Command): void {
  const route = program
    .command('route')
    .description('why a prompt goes to the board or the cloud; fit and judge that');
  withCommonOptions(
    route
      .command('explain')
      .description('features, decision and reasons for one prompt, for the node as configured')
      .argument('<prompt>', 'the prompt')
      .addOption(
        new Option('--privacy <level>', 'its label (default: as configured)').choices([
          'local',
          'redact',
          'any',
        ]),
      )
      .addOption(
        new Option('--route <route>', 'the wish it carries')
          .choices(['auto', 'edge', 'cloud'])
          .default('auto'),
      ),
  ).action(action((prompt: string, options: ExplainOptions) => explainRoute(prompt, options)));
  withCommonOptions(
    route
      .command('calibrate')
      .description('what quality each cloud share buys, and the threshold for a wanted one')
      .requiredOption('--data <file>', 'JSON lines of prompt, and when labelled weak and strong')
      .option('--share <share>', 'wanted share of prompts for the cloud, 0 to 1', zeroToOne, 0.3)
      .option('--chart <file>', 'draw quality against cloud share as SVG'),
  ).action(action(calibrate));
  withCommonOptions(
    route
      .command('eval')
      .description('APGR, CPT, AUROC and decision time on labelled prompts')
      .requiredOption('--data <file>', 'JSON lines of prompt, and when labelled weak and strong')
      .option('--scores <file>', 'write {"difficulty":0..1} for each row, in order')
      .option(
        '--edge-cost <share>',
        'cost of an answer on the board, right or wrong, in cost of a cloud answer',
        zeroToOne,
        0,
      ),
  ).action(action(evaluate));
}
