/**
 * Does a prompt keep its way under noise, and what does a decision cost?
 * `node bench/router/noise.ts --data labels.jsonl [--threshold 0.5] [--json]`. Noise: other case,
 * doubled spaces, and typing errors (swapped, lost, doubled, wrong letter; one in so many characters).
 * Times are of this process's CPU, so that a busy machine does not count.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { scorePrompt } from '../../src/router/index.ts';
import { createRandom } from './random.ts';
import { addTypos } from './typos.ts';

const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    threshold: { type: 'string', default: '0.5' },
    json: { type: 'boolean', default: false },
  },
});
if (options.data === undefined) {
  process.stderr.write('--data FILE.jsonl is needed\n');
  process.exit(2);
}
const threshold = Number(options.threshold);
const prompts = readFileSync(options.data, 'utf8')
  .trim()
  .split('\n')
  .map((line) => (JSON.parse(line) as { prompt: string }).prompt);
const isHard = (prompt: string) => scorePrompt(prompt).difficulty > threshold;
const plain = prompts.map(isHard);

const random = createRandom(7);
const noises: Record<string, (prompt: string) => string> = {
  upper_case: (prompt) => prompt.toUpperCase(),
  lower_case: (prompt) => prompt.toLowerCase(),
  doubled_spaces: (prompt) => prompt.replaceAll(' ', '  '),
  one_typo: (prompt) => addTypos(prompt, 1, random),
  typo_in_200: (prompt) => addTypos(prompt, Math.ceil(prompt.length / 200), random),
  typo_in_100: (prompt) => addTypos(prompt, Math.ceil(prompt.length / 100), random),
  typo_in_50: (prompt) => addTypos(prompt, Math.ceil(prompt.length / 50), random),
};
const same = Object.fromEntries(
  Object.entries(noises).map(([name, noise]) => {
    const kept = prompts.filter((prompt, index) => isHard(noise(prompt)) === plain[index]).length;
    return [name, kept / prompts.length];
  }),
);

/** Milliseconds of CPU for one decision: 50th and 99th percentile. */
function costMs(make: (index: number) => string, times: number): { p50: number; p99: number } {
  const taken = Array.from({ length: times }, (_, index) => {
    const prompt = make(index);
    const before = process.cpuUsage();
    scorePrompt(prompt);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  }).toSorted((a, b) => a - b);
  return {
    p50: taken[Math.floor(times * 0.5)] as number,
    p99: taken[Math.floor(times * 0.99)] as number,
  };
}
const text = prompts.join(' ');
const chinese = '如果不是这样，那么请比较两种方案的区别并说明为什么。';
const report = {
  prompts: prompts.length,
  share_above_threshold: plain.filter(Boolean).length / plain.length,
  same_route: same,
  cpu_ms_1000_characters: costMs((index) => text.slice(index * 997, index * 997 + 1000), 2000),
  cpu_ms_1000_chinese: costMs(() => chinese.repeat(40).slice(0, 1000), 2000),
  cpu_ms_64_kb: costMs((index) => text.slice(index * 9973, index * 9973 + 65_536), 200),
  cpu_ms_64_kb_chinese: costMs(() => chinese.repeat(900).slice(0, 21_845), 200),
};
process.stdout.write(`${JSON.stringify(report, null, options.json ? 0 : 2)}\n`);
