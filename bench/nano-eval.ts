/**
 * Exact match of nano as INT8 against float32 on the evaluation prompts, both through the real
 * engine: `node bench/nano-eval.ts [--limit 400] [--json]`. JSON answers are compared as JSON, others
 * after folding white space. The interval is paired: only prompts that one form alone gets right
 * count, each of the two shares with Wilson's bounds, and the difference takes the worse of both. (A
 * bootstrap would call the difference certain where no such prompt was drawn.)
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createSystemClock, silentLogger } from '../src/core/index.ts';
import { createEngineSupervisor } from '../src/engine/index.ts';
import { bundledModelFolder, convertModel, detectTarget } from '../src/model/index.ts';
import type { ModelForm } from '../src/protocol/index.ts';
import { isExactMatch } from './eval/exact-match.ts';
import { wilson } from './eval/statistics.ts';

type Row = { task: string; messages: string[]; answer: string };

const { values } = parseArgs({
  options: {
    limit: { type: 'string', default: '400' },
    json: { type: 'boolean', default: false },
  },
});
const file = new URL('../test/fixtures/eval/nano-public.jsonl', import.meta.url);
const rows = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .slice(0, Number(values.limit))
  .map((line) => JSON.parse(line) as Row);

async function answersOf(form: ModelForm, parent: string): Promise<string[]> {
  const folder = join(parent, form);
  const target = detectTarget({ procRoot: '/proc' });
  await convertModel(bundledModelFolder(), { out: folder, form, target });
  const engine = createEngineSupervisor({
    modelFolder: folder,
    threads: 1,
    logger: silentLogger,
    clock: createSystemClock(),
  });
  engine.start();
  const answers: string[] = [];
  for (const row of rows) {
    const request = {
      messages: row.messages.map((content, index) => ({
        role: index % 2 === 0 ? ('user' as const) : ('assistant' as const),
        content,
      })),
      maxTokens: 160,
      sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, seed: null },
      stop: [],
      topLogprobs: null,
    };
    for await (const part of engine.generate(request, new AbortController().signal)) {
      if (part.type === 'error') throw new Error(part.error.message);
      if (part.type === 'done') answers.push(part.result.text);
    }
  }
  await engine.close();
  return answers;
}

const parent = mkdtempSync(join(tmpdir(), 'twowatt-eval-'));
try {
  const outcomes: Record<ModelForm, number[]> = { fp32: [], int8: [] };
  const texts: Partial<Record<ModelForm, string[]>> = {};
  for (const form of ['fp32', 'int8'] as const) {
    texts[form] = await answersOf(form, parent);
    outcomes[form] = texts[form].map((text, index) =>
      isExactMatch(text, rows[index]?.answer ?? '') ? 1 : 0,
    );
  }
  const differences = outcomes.int8.map((right, index) => right - (outcomes.fp32[index] as number));
  const sum = (numbers: number[]) => numbers.reduce((total, value) => total + value, 0);
  const n = rows.length;
  const onlyInt8 = differences.filter((difference) => difference > 0).length;
  const onlyFp32 = differences.filter((difference) => difference < 0).length;
  const gained = wilson(onlyInt8, n);
  const lost = wilson(onlyFp32, n);
  const report = {
    n,
    fp32_right: sum(outcomes.fp32),
    int8_right: sum(outcomes.int8),
    only_int8_right: onlyInt8,
    only_fp32_right: onlyFp32,
    same_text: texts.fp32?.filter((text, index) => text === texts.int8?.[index]).length,
    difference_points: (100 * sum(differences)) / n,
    interval_95_points: [100 * (gained.low - lost.high), 100 * (gained.high - lost.low)],
  };
  if (values.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else console.table(report);
} finally {
  rmSync(parent, { recursive: true, force: true });
}
