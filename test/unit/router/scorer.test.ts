import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addTypos } from '../../../bench/router/typos.ts';
import { createRandom } from '../../../bench/router/random.ts';
import { apgr, FEATURES, parseLabels, scorePrompt } from '../../../src/router/index.ts';

const FOLDER = join(import.meta.dirname, '../../fixtures/router');
const sample = parseLabels(readFileSync(join(FOLDER, 'mmlu-sample.jsonl'), 'utf8'));
const difficulty = (prompt: string) => scorePrompt(prompt).difficulty;
const isHard = (prompt: string) => difficulty(prompt) > 0.5;

function shareOfSameRoute(change: (prompt: string) => string): number {
  const same = sample.filter(({ prompt }) => isHard(prompt) === isHard(change(prompt)));
  return same.length / sample.length;
}

describe('difficulty', () => {
  it('is a number from 0 to 1 for any text, the same every time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (prompt) => {
        const value = difficulty(prompt);
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
        expect(difficulty(prompt)).toBe(value);
      }),
    );
  });

  it('is the logistic of its contributions', () => {
    const { contributions, difficulty: value } = scorePrompt(
      'Why is the sky blue, if space is black?',
    );
    expect(contributions.map(({ feature }) => feature)).toEqual([...FEATURES]);
    const none = scorePrompt('').contributions;
    const sum = (all: typeof none) =>
      all.reduce((total, { contribution }) => total + contribution, 0);
    const logit = (p: number) => Math.log(p / (1 - p));
    // The same constant is taken from every prompt's sum.
    expect(logit(value) - sum(contributions)).toBeCloseTo(logit(difficulty('')) - sum(none), 9);
  });

  it('puts three tenths of the labels above 0.5', () => {
    const hard = sample.filter(({ prompt }) => isHard(prompt)).length / sample.length;
    expect(hard).toBeGreaterThan(0.22);
    expect(hard).toBeLessThan(0.38);
  });

  it('orders the sample of the labels better than length does', () => {
    const labelled = sample.flatMap(({ prompt, label }) =>
      label === null ? [] : [{ prompt, ...label }],
    );
    expect(labelled).toHaveLength(299);
    const by = (score: (prompt: string) => number) =>
      apgr(labelled.map(({ prompt, weak, strong }) => ({ weak, strong, score: score(prompt) })));
    expect(by(difficulty)).toBeGreaterThan(by((prompt) => prompt.length));
    expect(by(difficulty)).toBeGreaterThan(0.55);
  });

  it.each([
    [
      'turn on the light',
      'Compare both designs, explain why the first one fails when the load doubles, and derive how much faster the second is.',
    ],
    [
      'what time is it',
      'If a tank has two pipes that each fill 3 tons per hour and a drain that empties 1 ton per hour, how many hours does it take to fill 20 tons?',
    ],
    [
      'Hello!',
      'Refactor this code so that it does not block: for (let i=0;i<n;i++){ sum += readSync(files[i]); }',
    ],
    ['打开客厅的灯', '请比较两种方案的区别，并分析如果网络中断应该如何处理，为什么？'],
    [
      '现在几点了',
      '如果水池有两个进水管和一个出水管，每小时分别注入3吨、2吨和排出1吨，那么装满20吨一共需要多少小时？',
    ],
    ['你好', '证明根号2是无理数，首先假设它是有理数，然后推导矛盾。'],
  ])('finds %j easier than %j', (easy, hard) => {
    expect(difficulty(easy)).toBeLessThan(difficulty(hard));
    expect(isHard(easy)).toBe(false);
  });
});

describe('Chinese', () => {
  const valueOf = (prompt: string, wanted: string) =>
    scorePrompt(prompt).contributions.find(({ feature }) => feature === wanted)?.value;

  it('has its sentences, clauses and questions counted', () => {
    const prompt = '为什么灯不亮？请先检查电源，再检查开关。对吗？';
    expect(valueOf(prompt, 'sentences')).toBeCloseTo(Math.log1p(3), 12);
    expect(valueOf(prompt, 'clauses')).toBeCloseTo(Math.log1p(1), 12);
    expect(valueOf(prompt, 'questions')).toBeCloseTo(Math.log1p(1), 12);
  });

  it('takes the longest word of the lists: 不同 compares and negates nothing', () => {
    expect(valueOf('两者不同', 'negation')).toBe(0);
    expect(valueOf('两者不同', 'comparison')).toBeGreaterThan(0);
    expect(valueOf('两者不亮', 'negation')).toBeGreaterThan(0);
  });
});

describe('what must not move it', () => {
  it('case, white space, width and the values of digits', () => {
    for (const { prompt } of sample) {
      const value = difficulty(prompt);
      expect(difficulty(prompt.toUpperCase().toLowerCase())).toBe(difficulty(prompt.toLowerCase()));
      expect(difficulty(`  ${prompt.replaceAll(' ', '   ')}\n`)).toBe(value);
      expect(difficulty(prompt.replace(/\d/g, '7'))).toBe(value);
    }
    expect(difficulty('ＩＦ　ｘ＝１')).toBe(difficulty('if x=1'));
  });

  it('the layout of option lists', () => {
    const options = ['it rises with the load', 'it falls', 'it stays the same', 'none of these'];
    const lines = (marker: (index: number) => string) =>
      options.map((option, index) => `${marker(index)}${option}`);
    const plain = ['What happens to the voltage?', ...options].join('\n');
    for (const marker of ['A. ', 'A) ', '(a) ', 'A： ']) {
      const marked = lines((index) =>
        marker.replace(/a/i, (letter) => String.fromCharCode(letter.charCodeAt(0) + index)),
      );
      const prompt = ['What happens to the voltage?', ...marked, 'Answer:'].join('\n');
      expect(difficulty(prompt), prompt).toBe(difficulty(plain));
    }
    // Nor do the options decide alone: without them the order of the prompts stays much the same.
    const rank = (values: number[]) =>
      values.map((value) => values.filter((v) => v < value).length);
    const [whole, stems] = [
      sample.map(({ prompt }) => difficulty(prompt)),
      sample.map(({ prompt }) => difficulty(prompt.replace(/\n[A-E]\. [\s\S]*$/, ''))),
    ].map((values) => rank(values ?? [])) as [number[], number[]];
    const mean = (sample.length - 1) / 2;
    const covariance = (a: number[], b: number[]) =>
      a.reduce((sum, value, index) => sum + (value - mean) * ((b[index] as number) - mean), 0);
    const correlation =
      covariance(whole, stems) / Math.sqrt(covariance(whole, whole) * covariance(stems, stems));
    expect(correlation).toBeGreaterThan(0.6);
  });

  it('a typing error, in 99 of 100 prompts', () => {
    const random = createRandom(3);
    const draws = Array.from({ length: 5 }, () =>
      shareOfSameRoute((prompt) => addTypos(prompt, 1, random)),
    );
    const mean = draws.reduce((sum, share) => sum + share, 0) / draws.length;
    expect(mean).toBeGreaterThanOrEqual(0.99);
    expect(shareOfSameRoute((prompt) => prompt.toUpperCase())).toBeGreaterThanOrEqual(0.99);
  });

  it('knows a long word of its lists with one error in it', () => {
    const value = difficulty('please compare these');
    for (const word of ['comapre', 'compre', 'comppare', 'compqre']) {
      const near = difficulty(`please ${word} these`);
      expect(Math.abs(near - value), word).toBeLessThan(0.03);
    }
  });
});

describe('a prompt of any length', () => {
  it('is scored by its beginning and end, without splitting off what a long one is', () => {
    const turn = 'If this is not so, compare both and say why. ';
    const long = turn.repeat(Math.ceil(65_536 / turn.length));
    const values = [long, long.slice(0, 20_000)].map(difficulty);
    expect(Math.abs((values[0] as number) - (values[1] as number))).toBeLessThan(0.05);
    for (const hostile of ['x', '\n', 'a. \n', '1.', '{', '如果', '\uD83D', ' a']) {
      expect(difficulty(hostile.repeat(65_536 / hostile.length))).toBeGreaterThanOrEqual(0);
    }
  });
});

describe('labels', () => {
  it('takes truth values and shares, labelled or not', () => {
    const text = '{"prompt":"a","weak":true,"strong":0.5}\r\n\n{"prompt":"b","group":3}\n';
    expect(parseLabels(text)).toEqual([
      { prompt: 'a', label: { weak: 1, strong: 0.5 } },
      { prompt: 'b', label: null },
    ]);
  });

  it('names every bad row by its line', () => {
    const text =
      '{"prompt":"a"}\nnonsense\n{"weak":1}\n{"prompt":"b","weak":2,"strong":1}\n{"prompt":"c","weak":1}\n';
    expect(() => parseLabels(text)).toThrow(
      /line 2: not valid JSON\nline 3: prompt: .*\nline 4: weak: expected true.*\nline 5: weak without strong/,
    );
    expect(() => parseLabels('\n')).toThrow(/no row/);
  });
});
