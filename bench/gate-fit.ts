/**
 * Fits the confidence gate to one build of a model and measures it on prompts it has not seen:
 * `node bench/gate-fit.ts [--model FOLDER] [--in FILE] [--out FILE] [--near FILE] [--judge GATE]
 * [--target T] [--form F] [--write FILE] [--rows FILE] [--json]`.
 *
 * `--in` holds prompts that the model is for, with their answers, `--out` others; `--near`, if given, is
 * judged only. Every `--in` prompt is also asked with two seeded typing errors, which bring wrong
 * answers. Half of the prompts fit (a prompt goes with its misspelt forms), the other half is scored.
 * `--judge` fits nothing and scores that half with a gate there is. Same build, same prompts, same fit.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  bundledModelFolder,
  convertModel,
  detectTarget,
  parseGateFit,
} from '../src/model/index.ts';
import type { ModelForm, ModelTarget } from '../src/protocol/index.ts';
import { collectSignals } from './eval/collect-signals.ts';
import { fitGate } from './eval/gate-fitting.ts';
import { judgeGate } from './eval/gate-judging.ts';
import { type EvalPrompt, readPrompts, seededRandom, withTypo } from './eval/prompts.ts';

const fixture = (name: string) => new URL(`../test/fixtures/eval/${name}`, import.meta.url);

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: bundledModelFolder() },
    in: { type: 'string' },
    out: { type: 'string' },
    near: { type: 'string' },
    judge: { type: 'string' },
    target: { type: 'string', default: detectTarget({ procRoot: '/proc' }) },
    form: { type: 'string', default: 'int8' },
    write: { type: 'string' },
    rows: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const SEED = 20_261_126;
const TYPOS_PER_PROMPT = 2;

export type Asked = {
  set: 'in' | 'typo' | 'out' | 'near';
  half: 'fit' | 'score';
  prompt: EvalPrompt;
};

/** Fisher and Yates: a half of the prompts, drawn by seed. */
function halves(count: number, random: () => number): Asked['half'][] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let at = count - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [order[at], order[other]] = [order[other] as number, order[at] as number];
  }
  const fit = new Set(order.slice(0, count >> 1));
  return Array.from({ length: count }, (_, index) => (fit.has(index) ? 'fit' : 'score'));
}

function allPrompts(): Asked[] {
  const random = seededRandom(SEED);
  const inDomain = readPrompts(values.in ?? fixture('nano-public.jsonl'));
  const outside = readPrompts(values.out ?? fixture('ood.jsonl'));
  const near = values.in && !values.near ? [] : readPrompts(values.near ?? fixture('near.jsonl'));
  const inHalves = halves(inDomain.length, random);
  const outHalves = halves(outside.length, random);
  const asked: Asked[] = [];
  inDomain.forEach((prompt, index) => {
    const half = inHalves[index] as Asked['half'];
    asked.push({ set: 'in', half, prompt });
    for (let round = 0; round < TYPOS_PER_PROMPT; round++) {
      const misspelt = withTypo(prompt, random);
      if (misspelt) asked.push({ set: 'typo', half, prompt: misspelt });
    }
  });
  outside.forEach((prompt, index) => {
    asked.push({ set: 'out', half: outHalves[index] as Asked['half'], prompt });
  });
  for (const prompt of near) asked.push({ set: 'near', half: 'score', prompt });
  return asked;
}

const parent = mkdtempSync(join(tmpdir(), 'twowatt-gate-'));
try {
  const folder = join(parent, 'model');
  const manifest = await convertModel(values.model, {
    out: folder,
    form: values.form as ModelForm,
    target: values.target as ModelTarget,
  });
  const asked = allPrompts();
  const answered = await collectSignals(
    folder,
    asked.map(({ prompt }) => prompt),
    (done) => {
      if (done % 200 === 0) process.stderr.write(`${done} of ${asked.length} prompts\n`);
    },
  );
  const rows = answered.map((answer, index) => {
    const { set, half } = asked[index] as Asked;
    return Object.assign(answer, { set, half });
  });
  if (values.rows) {
    writeFileSync(values.rows, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  }
  const fit = values.judge
    ? parseGateFit(JSON.parse(readFileSync(values.judge, 'utf8')))
    : fitGate(
        rows.filter(({ half }) => half === 'fit'),
        manifest,
      );
  const report = judgeGate(
    rows.filter(({ half }) => half === 'score'),
    fit,
  );
  if (values.write) writeFileSync(values.write, `${JSON.stringify(fit, null, 2)}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify({ fit, report }, null, 2)}\n`);
  else {
    console.log(`${manifest.id}, ${manifest.form} for ${manifest.target}, scored half`);
    for (const table of report) {
      console.log(`\n${table.title}`);
      console.table(table.rows);
    }
  }
} finally {
  rmSync(parent, { recursive: true, force: true });
}
