/**
 * The bytes between the quotes of a JSON string (RFC 8259, section 7) in valid UTF-8 (RFC 3629,
 * section 4), as a table: next state by state and byte. Surrogates may not be escaped, so that every
 * string is a sequence of whole characters and lengths count what JSON Schema counts.
 */
export const PLAIN = 0;
const ESCAPE = 1;
const HEX_1 = 2;
const HEX_2 = 3;
/** After \ud: a second digit from 8 on would make a surrogate. */
const HEX_2_AFTER_D = 4;
const HEX_3 = 5;
const HEX_4 = 6;
const MORE_1 = 7;
const MORE_2 = 8;
const MORE_3 = 9;
const AFTER_E0 = 10;
const AFTER_ED = 11;
const AFTER_F0 = 12;
const AFTER_F4 = 13;
const STATES = 14;

export const DEAD = 255;
export const CLOSED = 254;

export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;

/** Fewest bytes that finish the character begun. */
export const TAIL = Uint8Array.of(0, 1, 4, 3, 3, 2, 1, 1, 2, 3, 2, 2, 3, 3);

const TABLE = new Uint8Array(STATES * 256).fill(DEAD);

function on(state: number, low: number, high: number, next: number): void {
  TABLE.fill(next, state * 256 + low, state * 256 + high + 1);
}

on(PLAIN, 0x20, 0x7f, PLAIN);
on(PLAIN, QUOTE, QUOTE, CLOSED);
on(PLAIN, BACKSLASH, BACKSLASH, ESCAPE);
on(PLAIN, 0xc2, 0xdf, MORE_1);
on(PLAIN, 0xe0, 0xe0, AFTER_E0);
on(PLAIN, 0xe1, 0xec, MORE_2);
on(PLAIN, 0xed, 0xed, AFTER_ED);
on(PLAIN, 0xee, 0xef, MORE_2);
on(PLAIN, 0xf0, 0xf0, AFTER_F0);
on(PLAIN, 0xf1, 0xf3, MORE_3);
on(PLAIN, 0xf4, 0xf4, AFTER_F4);
on(MORE_1, 0x80, 0xbf, PLAIN);
on(MORE_2, 0x80, 0xbf, MORE_1);
on(MORE_3, 0x80, 0xbf, MORE_2);
on(AFTER_E0, 0xa0, 0xbf, MORE_1);
on(AFTER_ED, 0x80, 0x9f, MORE_1);
on(AFTER_F0, 0x90, 0xbf, MORE_2);
on(AFTER_F4, 0x80, 0x8f, MORE_2);
for (const letter of '"\\/bfnrt') on(ESCAPE, letter.charCodeAt(0), letter.charCodeAt(0), PLAIN);
on(ESCAPE, 0x75, 0x75, HEX_1);
for (const [state, next] of [
  [HEX_1, HEX_2],
  [HEX_2, HEX_3],
  [HEX_2_AFTER_D, HEX_3],
  [HEX_3, HEX_4],
  [HEX_4, PLAIN],
] as const) {
  on(state, 0x30, state === HEX_2_AFTER_D ? 0x37 : 0x39, next);
  if (state === HEX_2_AFTER_D) continue;
  on(state, 0x41, 0x46, next);
  on(state, 0x61, 0x66, next);
}
on(HEX_1, 0x44, 0x44, HEX_2_AFTER_D);
on(HEX_1, 0x64, 0x64, HEX_2_AFTER_D);

export const nextInString = (state: number, byte: number): number =>
  TABLE[state * 256 + byte] as number;
