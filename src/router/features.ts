import { chineseFamilies, FAMILIES, type Family, familiesOf } from './lexicon.ts';
import { foldText } from './text.ts';

/** Chinese writes no spaces; a word has 1.6 characters or so. */
const WORDS_PER_HAN = 0.6;
/** Counts beyond this say no more. */
const MOST = 400;

export const FEATURES = [
  'length',
  'repetition',
  'variety',
  'word_length',
  ...FAMILIES,
  'narration',
  'sentences',
  'clauses',
  'symbols',
  'numbers',
  'variables',
  'code',
  'questions',
  'language_mix',
  'rare_characters',
] as const;
export type Feature = Family | (typeof FEATURES)[number];
export type FeatureValues = Record<Feature, number>;

const WORD = /[a-z]+(?:'[a-z]+)?/g;
const HAN = /\p{Script=Han}/gu;
const RARE =
  /[^\p{Script=Han}\p{Script=Latin}\p{P}\p{S}\p{N}\s\p{Script=Hiragana}\p{Script=Katakana}]/gu;

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0;
const logCount = (value: number): number => Math.log1p(Math.min(value, MOST));

/**
 * Cheap lexical facts of a prompt. All are smooth in the number of words, so that one typing error
 * moves none of them far. Dimensionless; families are occurrences over the root of the words.
 */
export function featuresOf(prompt: string): FeatureValues {
  const { text, stretch } = foldText(prompt);
  const latin = text.match(WORD) ?? [];
  const han = text.match(HAN) ?? [];
  const words = latin.length + han.length * WORDS_PER_HAN;
  const root = Math.sqrt(words + 1);

  const families = FAMILIES.map(() => 0);
  const note = (bits: number) => {
    for (let index = 0; bits >> index > 0; index += 1) {
      if (((bits >> index) & 1) === 1) families[index] = (families[index] as number) + 1;
    }
  };
  if (han.length > 0) for (const bits of chineseFamilies(text)) note(bits);
  const content = new Map<string, number>();
  const distinct = new Set<string>();
  let letters = 0;
  let past = 0;
  let contentWords = 0;
  for (const word of latin) {
    letters += word.length;
    note(familiesOf(word));
    if (word === 'was' || word === 'were' || word === 'had' || word === 'did') past += 1;
    else if (word.length > 3 && word.endsWith('ed')) past += 1;
    const stem = word.slice(0, 5);
    distinct.add(stem);
    if (stem.length === 5) {
      contentWords += 1;
      content.set(stem, (content.get(stem) ?? 0) + 1);
    }
  }
  let pairs = 0;
  for (let at = 1; at < han.length; at += 1) {
    pairs += 1;
    const pair = `${han[at - 1] as string}${han[at] as string}`;
    content.set(pair, (content.get(pair) ?? 0) + 1);
    distinct.add(pair);
  }
  const repeats = contentWords + pairs - content.size;
  past += count(text, /[了过](?!程)/g);

  const values: Record<string, number> = {
    length: Math.log1p(Math.min(words * stretch, 20_000)),
    repetition: logCount(Math.max(0, repeats)),
    variety: (distinct.size + 1) / (latin.length + pairs + 1),
    word_length: latin.length > 0 ? (letters + 20) / (latin.length + 4) : 5,
    narration: past / root,
    // Folding has made the wide marks of Chinese narrow ones; no space follows them.
    sentences: logCount(count(text, /[.?!;:](?=\s|$)|[?!;:](?=\p{Script=Han})|。/gu)),
    clauses: logCount(count(text, /[,;、]/g)),
    symbols: logCount(count(text, /[-+*/^=<>%$()[\]{}|_\\~√∑∫≤≥≠×÷π∈∀∃→]/g)),
    numbers: logCount(count(text, /0+(?:[.,]0+)*/g)),
    variables: logCount(count(text, /(?<![a-z'])(?:[b-hj-z]|ii|iii|iv)(?![a-z'])/g)),
    code: logCount(
      count(text, /[{};]|\b(?:return|function|int|void|class|def|import|const|print)\b|==|\(\)/g),
    ),
    questions: logCount(
      count(
        text,
        /\b(?:what|which|who|whom|whose|when|where|why|how)\b|什么|哪|谁|何时|为何|怎么|怎样|如何|为什么|多少/g,
      ),
    ),
    // 1 when half of the words are Chinese and half are not.
    language_mix: (2 * Math.min(latin.length, han.length * WORDS_PER_HAN)) / Math.max(1, words),
    rare_characters: logCount(count(text, RARE)),
  };
  for (const [index, family] of FAMILIES.entries()) {
    values[family] = Math.min(families[index] as number, MOST) / root;
  }
  return values as FeatureValues;
}
