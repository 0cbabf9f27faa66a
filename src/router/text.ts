/** Characters of a prompt that are looked at, from its beginning and from its end. */
const HEAD_CHARACTERS = 6_000;
const TAIL_CHARACTERS = 2_000;

export type FoldedText = {
  /** What is left when case, white space, the value of digits and list layout are folded away. */
  text: string;
  /** How many times longer the prompt is than the part that was looked at; 1 for nearly all. */
  stretch: number;
};

/**
 * Folds away what must not move the score: case, width of characters, white space, the values of
 * digits, and the layout of option lists (markers such as "A." at the start of a line, a closing
 * "Answer:"), because layout tells where a prompt comes from and not how hard it is. Takes bounded
 * time on prompts of any length: of a long one, the beginning and the end are looked at.
 */
export function foldText(prompt: string): FoldedText {
  let seen = prompt;
  let stretch = 1;
  if (prompt.length > HEAD_CHARACTERS + TAIL_CHARACTERS) {
    seen = `${prompt.slice(0, HEAD_CHARACTERS)}\n${prompt.slice(-TAIL_CHARACTERS)}`;
    stretch = prompt.length / seen.length;
  }
  const text = seen
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\u2018\u2019\u02BC]/g, "'")
    .replace(/^[^\S\n]*(?:\([a-h]\)|[a-h][.):、])(?=\s|$)/gm, ' ')
    .replace(/(?:answer|答案)[^\S\n]*:\s*$/, ' ')
    .replace(/\d+(?:[.,]\d+)*/g, (number) => number.replace(/\d/g, '0'))
    .replace(/\s+/g, ' ')
    .trim();
  return { text, stretch };
}
