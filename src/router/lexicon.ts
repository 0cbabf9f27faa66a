/**
 * Words that tell of reasoning, by what they do in a sentence. They belong to no subject: a list of
 * technical terms would learn the topics of the labels and not what makes a prompt hard.
 */
const ENGLISH = {
  conditions:
    'if suppose supposing assume assuming given provided unless otherwise then when whenever while although though because since therefore thus hence however whether so',
  negation:
    "not no never none neither nor except without cannot false incorrect untrue least isn't aren't wasn't weren't don't doesn't didn't won't can't couldn't shouldn't wouldn't hasn't haven't",
  modality:
    'would could should might may can must shall will ought likely probably possible possibly',
  quantity:
    'each every all some any both total half twice double per average sum many much number only how',
  comparison:
    'more less than greater larger smaller higher lower fewer most least increase increases increased decrease decreases decreased best worst better same equal difference different',
  order:
    'first second third then next after before finally following step steps later until now once',
  persons: 'he she his her him hers they them their who whom whose i my me we our you your',
  tasks:
    'calculate compute determine solve prove derive show explain compare analyse analyze evaluate estimate design construct implement consider argue argument why summarise summarize translate plan refactor debug optimise optimize',
} as const;

const CHINESE: Record<keyof typeof ENGLISH, string> = {
  conditions:
    '如果 假如 假设 假定 倘若 若 只要 除非 否则 那么 虽然 尽管 但是 因为 由于 所以 因此 然而 是否 当',
  negation: '不 没 无 非 未 别 除了 错误',
  modality: '应该 应当 可能 也许 必须 能够 可以 会 最可能 大概',
  quantity: '每 各 所有 全部 任何 一共 总共 一半 两倍 平均 总和 多少 几 只有 仅',
  comparison: '更 比 大于 小于 高于 低于 最 增加 减少 相同 不同 等于 区别 差异 相比',
  order: '首先 第一 第二 第三 然后 接着 之后 之前 最后 步骤 逐步 随后 再',
  persons: '他 她 他们 她们 我 我们 你 你们 谁 咱们',
  tasks:
    '计算 求解 求出 求证 证明 推导 解释 比较 分析 评估 估计 设计 编写 实现 论证 为什么 总结 翻译 规划 优化 说明 讨论 推断',
};

export type Family = keyof typeof ENGLISH;
export const FAMILIES = Object.keys(ENGLISH) as Family[];

/** Shortest listed word that is still known with one letter wrong, missing, doubled or swapped. */
const FUZZY_LENGTH = 5;

const exact = new Map<string, number>();
const nearby = new Map<string, number>();

function withoutOneLetter(word: string): string[] {
  return Array.from({ length: word.length }, (_, at) => word.slice(0, at) + word.slice(at + 1));
}

for (const [index, family] of FAMILIES.entries()) {
  for (const word of ENGLISH[family].split(' ')) {
    exact.set(word, (exact.get(word) ?? 0) | (1 << index));
  }
}
for (const [word, families] of exact) {
  if (word.length < FUZZY_LENGTH) continue;
  for (const near of withoutOneLetter(word)) {
    if (!exact.has(near)) nearby.set(near, (nearby.get(near) ?? 0) | families);
  }
}

/**
 * The families of an English word as bits (bit i: `FAMILIES[i]`), 0 for none. Long words are also
 * found with one typing error: both words less one letter each are compared (the deletion
 * neighbourhoods of spelling correction), so that a slip does not change a prompt's way.
 */
export function familiesOf(word: string): number {
  const known = exact.get(word);
  if (known !== undefined) return known;
  if (word.length < FUZZY_LENGTH - 1 || word.length > 14) return 0;
  const shortened = nearby.get(word);
  if (shortened !== undefined) return shortened;
  if (word.length < FUZZY_LENGTH) return 0;
  for (let at = 0; at < word.length; at += 1) {
    const near = word.slice(0, at) + word.slice(at + 1);
    const families =
      near.length >= FUZZY_LENGTH ? (exact.get(near) ?? nearby.get(near)) : nearby.get(near);
    if (families !== undefined) return families;
  }
  return 0;
}

const chinese = new Map<string, number>();
for (const [index, family] of FAMILIES.entries()) {
  for (const word of CHINESE[family].split(' ')) {
    chinese.set(word, (chinese.get(word) ?? 0) | (1 << index));
  }
}
/** Longer words first: 不同 is a comparison and no negation. */
const CHINESE_WORDS = new RegExp(
  [...chinese.keys()].toSorted((a, b) => b.length - a.length).join('|'),
  'g',
);

/** The families of each Chinese word of the lists that stands in a text, as bits. */
export function chineseFamilies(text: string): number[] {
  return (text.match(CHINESE_WORDS) ?? []).map((word) => chinese.get(word) ?? 0);
}
