/**
 * How much private data is found, how often something harmless is taken for it, and what that costs.
 *
 *   node bench/privacy.ts [--seed N] [--texts N] [--json]
 *
 * Texts come from test/corpus/privacy, which shares no pattern with the detectors. Exits 1 when a kind
 * falls below 99 % recall, or when more than 1 % of the harmless texts raise an alarm.
 */
import { parseArgs } from 'node:util';
import { detect, mask } from '../src/router/privacy/index.ts';
import { ADVERSARIAL } from '../test/corpus/privacy/adversarial.ts';
import { alarmsByFamily, recallByKind, type Share } from '../test/corpus/privacy/figures.ts';
import { negativeTexts } from '../test/corpus/privacy/negatives.ts';
import { plantedTexts } from '../test/corpus/privacy/texts.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '20260101' },
    texts: { type: 'string', default: '25000' },
    json: { type: 'boolean', default: false },
  },
});
const LEAST_RECALL = 0.99;
const MOST_ALARMS = 0.01;
const count = Number(values.texts);
const seed = Number(values.seed);

const share = ({ hits, of }: Share) => hits / of;
const percent = (row: Share) => `${(100 * share(row)).toFixed(2)} %`;
const total = (rows: readonly Share[]): Share => ({
  hits: rows.reduce((sum, { hits }) => sum + hits, 0),
  of: rows.reduce((sum, { of }) => sum + of, 0),
});
const median = (samples: number[]) => samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? 0;

/** Milliseconds of one call, the best of three: what the code costs, not what its neighbours do. */
function milliseconds(work: () => void): number {
  const samples = Array.from({ length: 3 }, () => {
    const startedAt = performance.now();
    work();
    return performance.now() - startedAt;
  });
  return Math.min(...samples);
}

const planted = plantedTexts(count, seed);
const recall = recallByKind(planted);
const alarms = alarmsByFamily(negativeTexts(count, seed + 1));

const perPrompt = planted.slice(0, 2000).map(({ text }) => {
  const messages = [{ role: 'user' as const, content: text }];
  return milliseconds(() => mask(messages));
});
const KB = 1024;
const growth = Object.entries(ADVERSARIAL).map(([unit, make]) => {
  const [small, large] = [make(16 * KB), make(64 * KB)];
  return {
    unit,
    ms_16k: milliseconds(() => detect(small)),
    ms_64k: milliseconds(() => detect(large)),
    mask_ms_64k: milliseconds(() => mask([{ role: 'user', content: large }])),
  };
});
const slowest = growth.toSorted((a, b) => b.ms_64k - a.ms_64k).slice(0, 5);
const slowestMask = growth.toSorted((a, b) => b.mask_ms_64k - a.mask_ms_64k)[0];

const allRecall = total(recall);
const allAlarms = total([...alarms.values()]);
const failed =
  recall.some((row) => share(row) < LEAST_RECALL) ||
  share(allRecall) < LEAST_RECALL ||
  share(allAlarms) > MOST_ALARMS;

if (values.json) {
  const out = { seed, recall, alarms: Object.fromEntries(alarms), growth, failed };
  process.stdout.write(`${JSON.stringify(out)}\n`);
} else {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  say(`seed ${seed}: ${count} texts with private data, ${count} harmless ones\n`);
  say('| kind | Chinese | English |\n| --- | --- | --- |');
  for (const kind of new Set(recall.map((row) => row.kind))) {
    const of = (language: string) =>
      recall.filter((r) => r.kind === kind && r.language === language);
    const cell = (language: string) =>
      of(language)
        .map((r) => `${percent(r)} of ${r.of}`)
        .join('');
    say(`| ${kind} | ${cell('zh')} | ${cell('en')} |`);
  }
  say(`\nrecall overall ${percent(allRecall)} (${allRecall.hits} of ${allRecall.of})\n`);
  say('| harmless | taken for private data |\n| --- | --- |');
  for (const [family, row] of alarms) say(`| ${family} | ${percent(row)} of ${row.of} |`);
  say(`\nfalse alarms overall ${percent(allAlarms)} (${allAlarms.hits} of ${allAlarms.of})`);
  say(`\nmask, median prompt of the corpus: ${median(perPrompt).toFixed(3)} ms`);
  say(`slowest of ${growth.length} adversarial texts (detect):`);
  for (const { unit, ms_16k, ms_64k } of slowest) {
    say(`  ${JSON.stringify(unit)}: ${ms_16k.toFixed(1)} ms at 16 KiB, ${ms_64k.toFixed(1)} at 64`);
  }
  say(`slowest mask at 64 KiB: ${slowestMask?.mask_ms_64k.toFixed(1)} ms (${slowestMask?.unit})`);
  say(failed ? '\nFAIL' : '\nPASS');
}
process.exitCode = failed ? 1 : 0;
