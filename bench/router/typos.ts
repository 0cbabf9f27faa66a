/** `count` typing errors in letters: swapped with the next, lost, doubled, or another letter. */
export function addTypos(prompt: string, count: number, random: () => number): string {
  const characters = Array.from(prompt);
  const letters = characters.flatMap((c, at) => (/[A-Za-z]/.test(c) ? [at] : []));
  if (letters.length === 0) return prompt;
  for (let made = 0; made < count; made += 1) {
    const at = letters[Math.floor(random() * letters.length)] as number;
    const here = characters[at] ?? '';
    const kind = Math.floor(random() * 4);
    if (kind === 0 && at + 1 < characters.length) {
      characters[at] = characters[at + 1] ?? '';
      characters[at + 1] = here;
    } else if (kind === 1) characters[at] = '';
    else if (kind === 2) characters[at] = here + here;
    else characters[at] = String.fromCharCode(97 + Math.floor(random() * 26));
  }
  return characters.join('');
}
